"""What a role may do: policies read from the emulated IAM, decided as AWS documents it, in AWS's words."""
