"""The networks that restore trains itself: U-Nets, told one noise level or a map of them."""
