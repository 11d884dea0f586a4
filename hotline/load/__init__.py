"""The load of a city: a drawn day, citizens and seats by SIPp, agents' pages, and what is seen of them."""
