"""Who may ask for what: `settings` (what the server is started with), `connections` (which are kept),
`guard` (what every request passes), `sessions` (token and cookie), `rates`, and `places` (names and paths
from outside).

Knows neither jobs nor routes.
"""
