"""The node agent: plain standard library and boto3, Python 3.9 and later (Amazon Linux 2023's own)."""
