internal import Chronology
internal import JobModel
internal import Synchronization
internal import TestSupport

extension StoreConformance {
  static let lifeCycleClaims: [Claim] = [
    Claim("each batch gets one completion, in the order of handing over") { subject in
      let completed = Mutex<[Int]>([])
      try with(subject) { store in
        for number in 0..<300 {
          store.apply(.make { $0.claims = [claim(Int64(number + 1), "a")] }) { error in
            completed.withLock { $0.append(error == nil ? number : -1) }
          }
        }
        try store.commit(StoreBatch())
      }
      try expectEqual(completed.withLock { $0 }, Array(0..<300), "completions")
    },
    Claim("closing waits for what was handed over") { subject in
      let completed = Mutex(0)
      let store = try subject.open()
      for number in 1...200 {
        store.apply(.make { $0.finished = [finished(Int64(number), "a")] }) { error in
          if error == nil { completed.withLock { $0 += 1 } }
        }
      }
      store.close()
      try expectEqual(completed.withLock { $0 }, 200, "completions before close returned")
    },
    Claim("a closed store says so, and closing twice is fine") { subject in
      let store = try subject.open()
      store.close()
      store.close()
      do {
        try store.commit(.make { $0.schedules = [schedule("a")] })
        throw Violation(description: "a closed store took a batch")
      } catch let error as StoreError {
        try expectEqual(error.code, .closed, "the error of a closed store")
      }
    },
    Claim("a host whose store another one took over writes nothing any more, whatever it had claimed") { subject in
      guard let takeOver = subject.takeOver else { return }
      let first = try subject.open()
      defer { first.close() }
      try first.commit(.make { $0.claims = [claim(1, "a"), claim(2, "a")] })
      let second = try takeOver()
      defer { second.close() }
      try expectEqual(second.load().unfinished.map(\.id.number), [1, 2], "what the second host has to settle")
      let late: [(String, StoreBatch)] = [
        ("an outcome", .make { $0.finished = [finished(1, "a")] }), ("a claim", .make { $0.claims = [claim(3, "a")] }),
        ("a schedule", .make { $0.schedules = [schedule("a")] }),
        ("a removal", .make { $0.dropped = [claim(2, "a").id] }),
      ]
      for (what, batch) in late {
        do {
          try first.commit(batch)
          throw Violation(description: "the first host could write \(what)")
        } catch let error as StoreError { try expectEqual(error.code, .lost, "the error of \(what)") }
      }
      try second.commit(.make { $0.finished = [finished(2, "a")] })
      try expectEqual(second.load().unfinished.map(\.id.number), [1], "what the first host could not end")
      try expectEqual(second.schedules().count, 0, "schedules")
    },
    Claim("many threads hand over at once, and nothing is lost") { subject in
      try with(subject) { store in
        let kept = min(100, subject.kept)
        Threads.run(4) { thread in
          for number in 0..<kept {
            let id = Int64(thread * 1_000 + number + 1)
            try? store.commit(.make { $0.finished = [finished(id, "job\(thread)")] })
          }
        }
        for thread in 0..<4 {
          try expectEqual(
            store.runs(RunQuery(job: "job\(thread)", limit: 1_000)).count, kept, "runs of thread \(thread)")
        }
      }
    },
  ]
}
