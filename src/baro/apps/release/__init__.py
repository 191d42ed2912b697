"""Release: live verdicts, the decision and the certificate."""
