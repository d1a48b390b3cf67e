"""Where quotes come from, and where ids found for them are saved back."""
