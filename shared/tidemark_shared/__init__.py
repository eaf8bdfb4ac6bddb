"""What every service of Tidemark needs and none of them owns."""
