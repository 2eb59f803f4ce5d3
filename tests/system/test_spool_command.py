"""`kula-relay spool`: what is on disk, told without Redis and without disturbing serve."""

from house import Story
from processes import RELAY, run, until

FIELDS = {"spool", "held", "broken", "records", "undrained", "first", "last", "drained", "bytes", "oldest",
          "oldest_undrained", "newest", "damaged_records", "damaged_bytes", "copies"}
PLACES = {"checkpoint_damaged", "damage", "damage_untold"}
PERSON = "Zoë Ångström"


class SpoolCommand(Story):
    def tearDown(self):
        # Told to stop, serve would give a Redis that is away its time to come back.
        if self.house.serve and not self.house.redis.process:
            self.house.serve.kill()
        super().tearDown()

    def post(self, count, first=0):
        """Accepted, with Redis or without."""
        for n in range(first, first + count):
            body = f'{{"event":"ping","event_id":"evt_{n}","data":{{"name":"{PERSON}"}}}}'.encode()
            self.assertEqual(self.house.post(body).status, 200)

    def spool(self, *words, **how):
        return self.house.relay("spool", *words, **how)

    def one(self, word="list"):
        [line] = [line for line in self.spool(word, "--json", expect=None).objects
                  if "spool" in line]
        self.assertEqual(set(line), FIELDS | PLACES if word == "verify" else FIELDS)
        return line

    def damage(self, event_id):
        """Flips one bit of this event's body, wherever it stands in the folder; tells file and byte."""
        for path in self.house.spool_folder.rglob("*"):
            data = path.read_bytes() if path.is_file() else b""
            at = data.find(b'"event_id":"%s"' % event_id.encode())
            if at >= 0:
                with path.open("r+b") as file:
                    file.seek(at)
                    file.write(bytes([data[at] ^ 1]))
                return path.name, at
        self.fail(f"{event_id} is not in the spool")

    def test_a_running_serves_spool_is_told_without_redis(self):
        self.house.start_serve()
        self.post(3)
        line = self.one()
        self.assertRegex(line["spool"], "^[0-9a-f]{16}$")
        self.assertEqual((line["held"], line["records"], line["undrained"]), (True, 3, 3))
        self.assertEqual((line["first"], line["last"], line["drained"]), (1, 3, 0))
        self.assertEqual((line["damaged_records"], line["damaged_bytes"]), (0, 0))
        self.assertLessEqual(line["oldest"], line["newest"])
        self.assertEqual(line["oldest_undrained"], line["oldest"])
        told = self.spool("status").out
        for words in (str(self.house.spool_folder), line["spool"], "held by a running serve",
                      "3 undrained", "(of at most 1GiB for each serve)"):
            self.assertIn(words, told)
        self.assertIn("whole", self.spool("verify").out)
        self.assertEqual(self.one("verify")["records"], 3)

    def test_it_works_while_serve_goes_on_and_redis_is_there(self):
        self.house.start()
        self.post(2)
        self.house.drain()
        self.assertEqual(self.one()["records"], 2)
        self.post(2, first=2)
        self.house.drain()
        self.assertEqual((self.one()["records"], self.one()["last"]), (4, 4))
        self.assertEqual(len(self.house.ledger.event_ids()), 4)

    def test_status_as_json_ends_with_the_sum(self):
        self.house.start_serve()
        self.post(2)
        line, total = self.spool("status", "--json").objects
        self.assertEqual(total.pop("directory"), str(self.house.spool_folder))
        self.assertGreater(total.pop("free_bytes"), 0)
        self.assertEqual(total, {"spools": 1, "held": 1, "records": 2, "undrained": 2,
                                 "bytes": line["bytes"], "damaged_records": 0, "damaged_bytes": 0})

    def test_what_a_killed_serve_left_behind_is_told_and_held_by_the_next(self):
        self.house.start_serve()
        self.post(2)
        left = self.one()["spool"]
        self.house.serve.kill()
        self.assertFalse(self.one()["held"])
        told = self.spool("status").out
        self.assertIn("left behind", told)
        self.assertIn("by whichever serve starts next on this folder, or runs there already", told)
        self.house.redis.start()
        self.house.start_serve()
        self.house.drain()
        lines = {line["spool"]: line for line in self.spool("list", "--json").objects}
        self.assertEqual(len(lines), 2)
        self.assertTrue(all(line["held"] for line in lines.values()))
        self.assertEqual(lines[left]["records"], 2)

    def test_verify_finds_one_flipped_bit_and_loses_nothing_else(self):
        self.house.start_serve()
        self.post(5)
        self.house.serve.kill()
        self.spool("verify")
        name, byte = self.damage("evt_2")
        told = self.spool("verify", expect=1)
        self.assertIn("damage in 1 of 1 spools", told.err)
        self.assertIn(str(self.house.spool_folder), told.err)
        line = self.one("verify")
        self.assertEqual((line["records"], line["damaged_records"]), (4, 1))
        [place] = line["damage"]
        self.assertEqual((place["file"], place["first"], place["last"], place["copy"]), (name, 3, 3, None))
        self.assertTrue(place["offset"] < byte < place["offset"] + place["bytes"])
        self.assertEqual(line["damaged_bytes"], place["bytes"])
        self.assertIn(f"{name} at byte {place['offset']}, {place['bytes']} bytes: record 3, "
                      "which Redis did not have yet", told.out)
        self.assertIn("damaged", self.spool("status").out)

    def test_what_may_be_damage_at_the_very_end_is_told_by_the_next_start(self):
        self.house.start_serve()
        self.post(3)
        self.house.serve.kill()
        left = self.one()["spool"]
        name, byte = self.damage("evt_2")
        self.house.redis.start()
        self.house.start_serve()
        told = self.house.serve.said("spool ends in a record that is cut off or damaged", spool=left)
        self.assertEqual(name, f"segment-{int(told['segment']):010}")
        self.assertTrue(0 < byte - int(told["offset"]) < int(told["bytes"]))
        self.house.drain()
        self.assertEqual(self.house.ledger.event_ids(), ["evt_0", "evt_1"])

    def test_verify_names_the_copy_that_serve_has_made_and_says_what_redis_had(self):
        self.house.start()
        self.post(3)
        self.house.drain()
        until(lambda: self.one()["drained"] == 3, "a checkpoint says that all is drained")
        self.house.serve.kill()
        self.damage("evt_1")
        self.assertIn("record 2, which Redis had", self.spool("verify", expect=1).out)
        self.house.redis("FLUSHALL")  # so that serve reads what it had drained
        self.house.start_serve()
        self.house.drain()
        [line] = [line for line in self.spool("verify", "--json", expect=1).objects if line["damage"]]
        [place] = line["damage"]
        self.house.serve.said("spool damaged", spool=line["spool"], offset=str(place["offset"]))
        self.house.serve.said("adopted spool", spool=line["spool"])
        self.assertEqual(place["copy"], f"damaged-1-{place['offset']}")
        self.assertEqual(line["copies"], 1)
        self.assertIn(place["copy"], self.spool("verify", expect=1).out)
        self.assertIn("1 copy of damaged bytes", self.spool("status").out)

    def test_a_spool_that_cannot_be_read_is_told_beside_the_others(self):
        self.house.start_serve()
        self.post(2)
        broken = self.house.spool_folder / "0000000000000000"
        (broken / "segment-0000000001").mkdir(parents=True)  # a folder: to read it fails
        for word in ("status", "list", "verify"):
            told = self.spool(word, expect=1)
            self.assertIn(f"cannot be read: {broken / 'segment-0000000001'}", told.out)
            self.assertIn("1 of 2 spools cannot be read", told.err)
            self.assertIn("held by a running serve" if word == "status" else "2", told.out)

    def test_a_folder_can_be_named_without_a_configuration(self):
        self.house.start_serve()
        self.post(1)
        told = run([RELAY, "spool", "list", "--directory", self.house.spool_folder, "--json"],
                   cwd=self.house.folder).objects
        self.assertEqual([line["records"] for line in told], [1])

    def test_people_stay_hidden(self):
        self.house.start_serve()
        self.post(1)
        for word in ("status", "list", "verify"):
            self.assertNotIn(PERSON, self.spool(word).out)
            self.assertNotIn("evt_", self.spool(word, "--json").out)

    def test_a_folder_that_is_not_there_is_exit_3(self):
        for word in ("status", "list", "verify"):
            self.assertIn(str(self.house.spool_folder), self.spool(word, expect=3).err)

    def test_no_folder_in_the_configuration_is_exit_78_and_told_where_to_name_one(self):
        self.house.durability = "ledger"
        told = self.spool("status", expect=78).err
        self.assertIn("serve.spool.directory", told)
        self.assertIn("--directory", told)


class WithoutASpool(Story):
    def test_serve_needs_a_folder_for_its_spool_or_to_be_told_to_do_without(self):
        self.house.serve_settings = {"spool": {"keep": "1h"}}
        self.house.configure()
        told = self.house.relay("serve", expect=78).err
        self.assertIn("serve.spool.directory", told)
        self.assertIn("durability: ledger", told)
