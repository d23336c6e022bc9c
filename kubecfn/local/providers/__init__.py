"""One small provider per resource type of CloudFormation."""
