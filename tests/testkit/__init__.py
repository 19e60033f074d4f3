"""Tools of the tests; product code never imports them."""
