"""What every cluster runs beside Kubernetes itself, as plain objects that an API server takes."""
