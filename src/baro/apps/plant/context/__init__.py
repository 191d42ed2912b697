"""What was made where and when (ISA-88): by it every observation belongs to a batch and a phase."""
