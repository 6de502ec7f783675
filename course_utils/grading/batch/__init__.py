"""Many submissions at a time: what there is to do, who does it, and how far it is."""
