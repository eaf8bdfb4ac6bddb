"""The notifier: evaluates rules against balances and dates, and delivers notifications."""
