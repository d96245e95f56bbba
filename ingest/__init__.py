"""MQTT in, flagged readings stored; owns the database connection and the migrations.

The way of a message: `subscriber` hears it and acknowledges nothing, `service.Inbox` has it admitted while the last
batch is being stored, `admission` reads and checks it (`senml`, `clocks`, `profiles`), `pipeline` writes its batch in
one transaction (`writer` with `quality` and `rollups`, `account`), and then `subscriber` answers broker and gateway.

- It is confirmed in `service._take_and_store`, by `Subscriber.confirm`, once `Pipeline.store_admitted` has returned;
  of zones that another worker hears, unread, by `Subscriber._sifted` (`claims` says why that is safe).
- A duplicate dies in `ReadingWriter._outcomes`, by channel and measured time. Where a time is an estimate it dies
  before that, by its number, in `Pipeline._repeated_estimates`; what was set aside dies by its bytes
  (`insert_set_aside`).
- A bad row is set aside by `Admission` when we can tell, and by `Pipeline._store_without_refused` when only the
  database can (`sqlstate` says whether it is the row), each alone, with its bytes and a reason; `replay` tries again.
"""
