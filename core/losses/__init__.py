"""Pure losses on tensors and floats: labels (`supervised`), distillation (a file each), their sum (`objective`)."""
