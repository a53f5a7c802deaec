internal import Chronology
internal import JobModel

/// What makes a run durable: its steps, its park, and the transactions that it commits.
extension StoreConformance {
  private static func step(
    _ run: Int64, _ position: Int32, _ name: String, _ result: String? = "1", at time: Int64 = 1
  ) -> RunStep {
    var step = RunStep(
      run: RunID(run), position: position, kind: .step, name: name, attempt: 1, startedAt: second(time))
    step.finishedAt = second(time + 1)
    step.result = result.map { JSONText($0) }
    return step
  }

  private static func value(_ key: String, _ value: String?, expecting: Int64? = nil) -> KeyValueChange {
    KeyValueChange(space: "s", key: key, value: value.map { JSONText($0) }, expecting: expecting)
  }

  private static func intent(_ operations: String) -> RunIntent {
    RunIntent(run: RunID(1), job: "jöb", at: second(3), operations: JSONText(operations))
  }

  static let stepClaims: [Claim] = [
    Claim("every field of a step comes back, in the order of the positions") { subject in
      var nap = RunStep(run: RunID(1), position: 2, kind: .sleep, name: "", attempt: 3, startedAt: second(5))
      nap.until = second(500)
      var wait = RunStep(run: RunID(1), position: 3, kind: .wait, name: "ready 🌒", attempt: 3, startedAt: second(6))
      wait.result = JSONText(#"{"é":[null]}"#)
      wait.finishedAt = second(7)
      let steps = [step(1, 1, "ström"), nap, wait, step(1, 10, "", nil)]
      try with(subject) { store in
        try expectEqual(store.steps(of: RunID(1)), [], "a run without steps")
        try store.commit(.make { $0.claims = [claim(1, "a"), claim(2, "a")] })
        try store.commit(.make { $0.steps = [.put(steps[3]), .put(steps[0]), .put(step(2, 1, "other"))] })
        try store.commit(.make { $0.steps = [.put(wait), .put(nap)] })
        try expectEqual(store.steps(of: RunID(1)), steps, "the steps")
      }
      guard subject.isDurable else { return }
      try with(subject) { store in try expectEqual(store.steps(of: RunID(1)), steps, "after a new start") }
    },
    Claim("a step that is written again is there once, with what was written last") { subject in
      try with(subject) { store in
        try store.commit(.make { $0.claims = [claim(1, "a")] })
        let batch = StoreBatch.make { $0.steps = [.put(step(1, 1, "a")), .put(step(1, 2, "b", "2"))] }
        try store.commit(batch)
        try store.commit(batch)
        try store.commit(.make { $0.steps = [.put(step(1, 2, "c", "3"))] })
        try expectEqual(store.steps(of: RunID(1)), [step(1, 1, "a"), step(1, 2, "c", "3")], "the steps")
      }
    },
    Claim("the end of a step is written once, and one that is not there stays away") { subject in
      var nap = RunStep(run: RunID(1), position: 1, kind: .wait, name: "x", attempt: 1, startedAt: second(1))
      try with(subject) { store in
        try store.commit(.make { $0.steps = [.put(nap)] })
        func end(_ position: Int32, _ time: Int64, _ result: String?) throws {
          let end = StepEnd(
            run: RunID(1), position: position, finishedAt: second(time), result: result.map { JSONText($0) })
          try store.commit(.make { $0.steps = [.end(end)] })
        }
        try end(1, 9, "7")
        try end(1, 10, "8")
        try end(2, 11, nil)
        nap.finishedAt = second(9)
        nap.result = JSONText("7")
        try expectEqual(store.steps(of: RunID(1)), [nap], "the steps")
      }
    },
    Claim("a run that goes on for another has a copy of its steps, and keeps what it did itself") { subject in
      try with(subject) { store in
        try store.commit(.make { $0.finished = [finished(1, "a", .interrupted)] })
        try store.commit(.make { $0.steps = [.put(step(1, 1, "a")), .put(step(1, 2, "b"))] })
        try store.commit(.make { $0.steps = [.inherit(StepInheritance(from: RunID(1), to: RunID(2)))] })
        try store.commit(
          .make {
            $0.steps = [
              .put(step(2, 2, "own")), .inherit(StepInheritance(from: RunID(1), to: RunID(2))),
              .inherit(StepInheritance(from: RunID(9), to: RunID(2))),
            ]
          })
        try expectEqual(store.steps(of: RunID(2)), [step(2, 1, "a"), step(2, 2, "own")], "the heir")
        try expectEqual(store.steps(of: RunID(1)), [step(1, 1, "a"), step(1, 2, "b")], "the interrupted run")
      }
    },
    Claim("a parked run is unfinished, with what it waits for, until it is claimed again") { subject in
      var parked = claim(1, "a")
      parked.claimedAt = nil
      parked.startedAt = second(2)
      parked.attempts = 1
      parked.duration = 5
      parked.park = RunPark(position: 3, until: second(900), event: nil)
      var waiting = parked
      waiting.id = RunID(2)
      waiting.park = RunPark(position: 1, until: nil, event: "ready 🌒")
      try with(subject) { store in
        try store.commit(.make { $0.claims = [claim(1, "a"), claim(2, "a")] })
        try store.commit(.make { $0.waiting = [parked, waiting] })
        try expectEqual(store.load().unfinished, [parked, waiting], "parked")
      }
      guard subject.isDurable else { return }
      try with(subject) { store in
        try expectEqual(store.load().unfinished, [parked, waiting], "after a new start")
        var again = parked
        again.claimedAt = second(901)
        again.park = nil
        try store.commit(.make { $0.claims = [again] })
        try expectEqual(store.load().unfinished, [again, waiting], "one goes on")
      }
    },
    Claim("a transaction changes its values and keeps its intent, until that is carried out") { subject in
      var first = RunTransaction()
      first.keyValues = [value("a", "1"), value("b", "2"), value("a", "3"), value("b", nil)]
      first.intent = intent(#"[{"emit":"x"}]"#)
      try with(subject) { store in
        try expectEqual(store.load().intents, [], "a new store has none")
        let one = try store.commit(first, at: second(0))
        var second = RunTransaction()
        second.intent = intent("[2]")
        let two = try store.commit(second, at: Self.second(0))
        guard case .committed(let a) = one, case .committed(let b) = two, a > 0, b > a else {
          throw Violation(description: "ids of intents rise: \(one), \(two)")
        }
        try expectEqual(store.keyValues.value(of: "a", in: "s", at: Self.second(0))?.value, JSONText("3"), "a value")
        try expectEqual(store.keyValues.value(of: "b", in: "s", at: Self.second(0)), nil, "a deleted one")
        var kept = [intent(#"[{"emit":"x"}]"#), intent("[2]")]
        (kept[0].id, kept[1].id) = (a, b)
        try expectEqual(store.load().intents, kept, "what is to be done")
        let done = StoreBatch.make { $0.steps = [.performed(a)] }
        try store.commit(done)
        try store.commit(done)
        try expectEqual(store.load().intents, [kept[1]], "what is left")
        try store.commit(.make { $0.steps = [.performed(b)] })
        let three = try store.commit(second, at: Self.second(0))
        guard case .committed(let c) = three, c > b else {
          throw Violation(description: "no id is given twice: \(two), \(three)")
        }
      }
    },
    Claim("a transaction that finds another version than it expects changes nothing") { subject in
      try with(subject) { store in
        try store.keyValues.change(value("a", "1"), at: second(0))
        let version = try store.keyValues.value(of: "a", in: "s", at: second(0))?.version ?? 0
        var transaction = RunTransaction()
        transaction.keyValues = [
          value("b", "2"), value("a", "2", expecting: version), value("c", "1", expecting: version),
        ]
        transaction.intent = intent("[1]")
        transaction.finished = finished(1, "a")
        try expectEqual(store.commit(transaction, at: second(0)), .conflict, "the answer")
        try expectEqual(store.keyValues.keys(prefix: "", in: "s", limit: 9, at: second(0)), ["a"], "the keys")
        try expectEqual(store.keyValues.value(of: "a", in: "s", at: second(0))?.value, JSONText("1"), "the value")
        try expectEqual(store.load().intents, [], "nothing is to be done")
        try expectEqual(store.runs(RunQuery()), [], "and no run has ended")
      }
    },
    Claim("a transaction beyond the quota of a space changes nothing") { subject in
      try with(subject) { store in
        var large = value("b", String(repeating: "1", count: 900))
        large.quota = 1_000
        var larger = value("c", String(repeating: "1", count: 200))
        larger.quota = 1_000
        var transaction = RunTransaction()
        transaction.keyValues = [value("a", "1"), large, larger]
        transaction.intent = intent("[1]")
        var refusal: StoreError?
        do throws(StoreError) { _ = try store.commit(transaction, at: second(0)) } catch { refusal = error }
        try expectEqual(refusal?.code, .quota, "the refusal")
        try expectEqual(store.keyValues.keys(prefix: "", in: "s", limit: 9, at: second(0)), [], "the keys")
        try expectEqual(store.load().intents, [], "nothing is to be done")
        transaction.keyValues = [large]
        guard case .committed = try store.commit(transaction, at: second(0)) else {
          throw Violation(description: "the quota counts what was taken back")
        }
      }
    },
    Claim("a transaction is a step of its run, and committed once") { subject in
      var transaction = RunTransaction()
      var done = RunStep(run: RunID(1), position: 2, kind: .transaction, name: "", attempt: 1, startedAt: second(1))
      done.finishedAt = second(2)
      done.result = JSONText("7")
      transaction.step = done
      transaction.keyValues = [value("a", "1")]
      transaction.intent = intent("[1]")
      transaction.intent?.position = 2
      try with(subject) { store in
        let first = try store.commit(transaction, at: second(0))
        try expectEqual(store.steps(of: RunID(1)), [done], "the step")
        try store.keyValues.change(value("a", "5"), at: second(0))
        try expectEqual(store.commit(transaction, at: second(0)), first, "the same answer")
        try expectEqual(store.keyValues.value(of: "a", in: "s", at: second(0))?.value, JSONText("5"), "the value")
        try expectEqual(store.load().intents.count, 1, "what is to be done")
      }
    },
    Claim("the success of a run is committed with its transaction") { subject in
      try with(subject) { store in
        try store.commit(.make { $0.claims = [claim(1, "a")] })
        var transaction = RunTransaction()
        transaction.keyValues = [value("a", "1")]
        transaction.finished = finished(1, "a")
        try expectEqual(store.commit(transaction, at: second(0)), .committed(intent: 0), "the answer")
        try expectEqual(store.load().unfinished, [], "nothing is unfinished")
        try store.keyValues.change(value("a", "5"), at: second(0))
        try expectEqual(store.commit(transaction, at: second(0)), .committed(intent: 0), "the same answer again")
        try expectEqual(store.keyValues.value(of: "a", in: "s", at: second(0))?.value, JSONText("5"), "the value")
        try store.commit(.make { $0.finished = [finished(1, "a")] })
        try expectEqual(store.runs(RunQuery(job: "a")), [finished(1, "a")], "one run")
      }
    },
  ]
}
