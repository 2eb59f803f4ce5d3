"""kula-relay health: what a container's health check asks."""

from house import Story
from processes import free_port


class Health(Story):
    def setUp(self):
        super().setUp()
        self.house.service("crm")
        self.house.serve_settings["admin"] = f"0.0.0.0:{free_port()}"
        self.house.forward_settings["admin"] = f"127.0.0.1:{free_port()}"

    def test_who_runs_is_well_and_who_does_not_is_not(self):
        self.house.redis.start()
        self.house.start_serve()
        self.assertIn("serve: ", self.house.relay("health", "serve").out)
        self.assertIn("serve: ", self.house.relay("health").out, "one of the two is enough")
        told = self.house.relay("health", "forward", expect=1)
        self.assertIn(self.house.forward_settings["admin"], told.err)
        self.house.start_forward()
        self.assertRegex(self.house.relay("health", "--ready").out, r"serve: .*\nforward: ")
        self.house.serve.kill()
        self.house.forward.kill()
        self.assertRegex(self.house.relay("health", expect=1).err, "serve does not answer.*; forward does not answer")

    def test_without_redis_forward_is_well_but_not_ready(self):
        self.house.start_forward(wait_open=False)
        self.house.relay("health", "forward")
        told = self.house.relay("health", "forward", "--ready", expect=1)
        self.assertIn("503", told.err)

    def test_one_that_answers_that_it_is_not_well_fails_beside_one_that_is(self):
        self.house.start_serve()
        self.house.start_forward(wait_open=False)
        told = self.house.relay("health", "--ready", expect=1)
        self.assertIn("serve: ", told.out)
        self.assertRegex(told.err, r"forward answers 503 at \S+\n$")
        self.assertIn("one that answers that it is not well (503) fails", self.house.relay("health", "--help").out)

    def test_no_secret_is_read_and_a_missing_address_is_told(self):
        self.house.configure()
        self.house.secret_file.unlink()
        self.house.relay("health", "serve", expect=1)
        self.house.config_file.write_text("redis: {url: unix:///nowhere}\n")
        self.assertIn("serve.admin is missing", self.house.relay("health", "serve", expect=78).err)
        self.house.relay("health", "nobody", expect=2)
