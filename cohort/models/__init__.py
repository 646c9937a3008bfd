"""One file per estimand: the public function and its result."""
