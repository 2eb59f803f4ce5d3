"""What the stories of `webhook` share: a house with Kula's management API in it."""

from house import SECRET, Story

TOKEN = "kula_token_4711"
URL = "https://hooks.example.com/webhooks/kula"


class Webhooks(Story):
    """With an API and nothing else: `webhook` needs neither Redis nor serve."""

    quirks = {}

    def setUp(self):
        super().setUp()
        self.api = self.house.kula_api(TOKEN, **self.quirks)

    def webhook(self, *words, expect=0, **how):
        """Whatever it says, it says neither the token nor the endpoint's secret."""
        self.house.configure()
        result = self.house.relay("webhook", *words, expect=expect, **how)
        for hidden in (TOKEN, SECRET.decode()):
            self.assertNotIn(hidden, result.out + result.err)
        return result

    def objects(self, *words, **how):
        return self.webhook(*words, "--json", **how).objects
