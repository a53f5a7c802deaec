internal import Chronology
internal import JobModel

extension StoreConformance {
  static let fileClaims: [Claim] = [
    Claim("the mark of a file comes back whole, to its job only") { subject in
      try with(subject) { store in
        let marks = [
          mark("a", "/in/1", inode: .max, run: 7, .succeeded), mark("a", "/in/2", inode: 2, run: 7, .failed),
          mark("a", "/in/é\u{1F600}", inode: 3), mark("b", "/in/1", inode: 4, run: 8, .timedOut),
        ]
        try store.commit(.make { $0.files = marks })
        try expectEqual(files(of: "a", in: store), Array(marks[..<3]), "the marks of one job")
        try expectEqual(files(of: "b", in: store), [marks[3]], "the marks of the other")
        try expectEqual(files(of: "c", in: store), [], "a job that is not known")
      }
    },
    Claim("the last mark of a path counts, also within a batch") { subject in
      try with(subject) { store in
        let (old, new) = (
          mark("a", "/in/1", inode: 1, run: 1, .failed), mark("a", "/in/1", inode: 2, run: 2, .succeeded)
        )
        try store.commit(.make { $0.files = [old] })
        try store.commit(.make { $0.files = [new] })
        try expectEqual(files(of: "a", in: store), [new], "a later batch")
        try store.commit(.make { $0.files = [gone("a", "/in/1")] })
        try expectEqual(files(of: "a", in: store), [], "a file that has gone")
        try store.commit(.make { $0.files = [old, gone("a", "/in/1"), new, old, gone("a", "/in/2")] })
        try expectEqual(files(of: "a", in: store), [old], "the order inside a batch")
        try store.commit(.make { $0.files = [old, gone("a", "/in/1")] })
        try expectEqual(files(of: "a", in: store), [], "a batch that ends with the file gone")
      }
    },
    Claim("a batch of marks and outcomes lands together, and twice is the same as once") { subject in
      try with(subject) { store in
        let batch = StoreBatch.make { batch in
          batch.finished = [finished(1, "a")]
          batch.files = (0..<50).map { mark("a", "/in/\($0)", inode: UInt64($0), run: 1, .succeeded) }
        }
        try store.commit(batch)
        try store.commit(batch)
        try expectEqual(files(of: "a", in: store).count, 50, "files")
        try expectEqual(try store.runs(RunQuery(job: "a")).count, 1, "runs")
      }
    },
    Claim("marks are there after closing and opening", needsDurability: true) { subject in
      let kept = mark("a", "/in/1", inode: 1, run: 1, .succeeded)
      try with(subject) { store in
        try store.commit(.make { $0.files = [kept, mark("a", "/in/2", inode: 2), gone("a", "/in/2")] })
      }
      try with(subject) { store in try expectEqual(files(of: "a", in: store), [kept], "the marks") }
    },
  ]

  private static func files(of job: String, in store: any JobStore) throws -> [FileMark] {
    try store.files(of: job).sorted { $0.path < $1.path }
  }

  private static func mark(
    _ job: String, _ path: String, inode: UInt64, run: Int64? = nil, _ outcome: Outcome? = nil
  ) -> FileMark {
    let version = FileVersion(device: 1 << 63, inode: inode, size: 10, modified: second(1).nanoseconds)
    return FileMark(job: job, path: path, version: version, run: run.map { RunID($0) }, outcome: outcome, at: second(2))
  }

  private static func gone(_ job: String, _ path: String) -> FileMark {
    FileMark(job: job, path: path, version: nil, at: second(3))
  }
}
