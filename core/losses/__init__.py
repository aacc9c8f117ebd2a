"""Losses on tensors: on labels (`supervised`), on a teacher (`catalogue`, a file each), their sum (`objective`).

Nothing is imported here, so that the catalogue can be read without torch.
"""
