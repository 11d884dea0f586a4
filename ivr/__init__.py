"""What the citizen hears before and after the agent: menu, prompts, the steps that need Python."""
