// Nothing: what tests include from outside is compiled with it, once.
