"""Pure evaluation: from rules, a contract, its balance and its history to notifications, without clock or database."""
