// Nothing: what others include from outside is compiled with it, once.
