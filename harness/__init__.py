"""The judge: rehearses a rollout against any CSMS and says whether the contract held."""
