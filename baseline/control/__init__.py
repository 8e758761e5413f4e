"""The controller process and the janitor: plan, guard, reconcile, expire, release."""
