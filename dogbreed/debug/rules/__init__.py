"""Rules about a training: each looks for one fault and names the setting to change."""
