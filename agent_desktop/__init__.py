"""The web: HTTP API, Socket.IO pushes, log-in and roles. Knows no AMI and no ARI."""
