"""My Integration, a plugin of the Qwoty integrations host."""
