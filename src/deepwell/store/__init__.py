"""What stands on disk: strict readers of JSON and tensors, writes that survive a crash, sealed directories, locks."""
