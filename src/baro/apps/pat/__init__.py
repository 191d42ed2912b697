"""Process analytical technology: calibration models and their predictions."""
