internal import Chronology
internal import JobModel
internal import JobStores
internal import Synchronization

extension JobStoreConformance {
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
