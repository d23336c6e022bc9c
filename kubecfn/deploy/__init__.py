"""From what stands in build/NAME to a stack in AWS and back: upload, plan, apply, follow, explain, delete."""
