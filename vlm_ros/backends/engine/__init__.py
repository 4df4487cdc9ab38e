"""What backends that run in torch share: devices, checkpoints, pixels, errors."""
