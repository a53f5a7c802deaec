import Chronology
import Testing

@testable import FileWatching

/// What editors and tools do to a file, as the kernel reports it, and what the host makes of it.
@Suite("Traces of editors")
struct WatchTraceTests {
  struct Trace: Sendable, CustomTestStringConvertible {
    var name: String
    var before: [String: String] = ["a.lua": "1"]
    var steps: [Step]
    /// Milliseconds and content of each delivery.
    var deliveries: [(Int, [String: String])]
    var testDescription: String { name }
  }

  /// At `time`, the disk is `disk`, and the kernel says `events`: of the entry `name`, what.
  struct Step: Sendable {
    var time: Int
    var disk: [String: String]
    var events: [(name: String, mask: EventMask)]
    init(_ time: Int, _ disk: [String: String], _ events: [(name: String, mask: EventMask)]) {
      (self.time, self.disk, self.events) = (time, disk, events)
    }
  }

  static let traces: [Trace] = [
    Trace(
      name: "in place",
      steps: [Step(0, ["a.lua": "2"], [("a.lua", .closedAfterWriting)])],
      deliveries: [(40, ["a.lua": "2"])]),
    Trace(
      name: "in place, truncated long before it is written",
      steps: [Step(0, ["a.lua": ""], []), Step(700, ["a.lua": "2"], [("a.lua", .closedAfterWriting)])],
      deliveries: [(740, ["a.lua": "2"])]),
    Trace(
      name: "rename over",
      steps: [
        Step(0, ["a.lua": "1"], [("a.lua.tmp", .created), ("a.lua.tmp", .closedAfterWriting)]),
        Step(1, ["a.lua": "2"], [("a.lua.tmp", .movedFrom), ("a.lua", .movedTo)]),
      ],
      deliveries: [(41, ["a.lua": "2"])]),
    Trace(
      name: "sed -i",
      steps: [
        Step(
          0, ["a.lua": "1"], [("sedXk3b2G", .created), ("sedXk3b2G", .attributes), ("sedXk3b2G", .closedAfterWriting)]),
        Step(2, ["a.lua": "2"], [("sedXk3b2G", .movedFrom), ("a.lua", .movedTo)]),
      ],
      deliveries: [(42, ["a.lua": "2"])]),
    Trace(
      name: "vim",
      steps: [
        Step(
          0, ["a.lua": "1"],
          [("4913", .created), ("4913", .attributes), ("4913", .closedAfterWriting), ("4913", .deleted)]),
        Step(1, [:], [("a.lua", .movedFrom), ("a.lua~", .movedTo)]),
        Step(2, ["a.lua": ""], [("a.lua", .created)]),
        Step(3, ["a.lua": "2"], [("a.lua", .closedAfterWriting), ("a.lua", .attributes), ("a.lua~", .deleted)]),
      ],
      deliveries: [(43, ["a.lua": "2"])]),
    Trace(
      name: "vim on a slow disk: the gap is longer than the quiet",
      steps: [
        Step(0, [:], [("a.lua", .movedFrom), ("a.lua~", .movedTo)]),
        Step(250, ["a.lua": ""], [("a.lua", .created)]),
        Step(450, ["a.lua": "2"], [("a.lua", .closedAfterWriting), ("a.lua~", .deleted)]),
      ],
      deliveries: [(490, ["a.lua": "2"])]),
    Trace(
      name: "Emacs: a lock that is a link to nowhere, a backup, an auto-save file",
      steps: [
        Step(0, ["a.lua": "1"], [(".#a.lua", .created), ("#a.lua#", .created), ("#a.lua#", .closedAfterWriting)]),
        Step(900, [:], [("a.lua", .movedFrom), ("a.lua~", .movedTo), ("a.lua", .created)]),
        Step(
          901, ["a.lua": "2"],
          [("a.lua", .closedAfterWriting), ("a.lua", .attributes), (".#a.lua", .deleted), ("#a.lua#", .deleted)]),
      ],
      deliveries: [(941, ["a.lua": "2"])]),
    Trace(
      name: "JetBrains: safe write",
      steps: [
        Step(0, ["a.lua": "1"], [("a.lua___jb_tmp___", .created), ("a.lua___jb_tmp___", .closedAfterWriting)]),
        Step(1, [:], [("a.lua", .movedFrom), ("a.lua___jb_old___", .movedTo)]),
        Step(
          2, ["a.lua": "2"], [("a.lua___jb_tmp___", .movedFrom), ("a.lua", .movedTo), ("a.lua___jb_old___", .deleted)]),
      ],
      deliveries: [(42, ["a.lua": "2"])]),
    Trace(
      name: "saved twice within a moment",
      steps: [
        Step(0, ["a.lua": "2"], [("a.lua", .closedAfterWriting)]),
        Step(30, ["a.lua": "3"], [("a.lua", .closedAfterWriting)]),
      ],
      deliveries: [(70, ["a.lua": "3"])]),
    Trace(
      name: "touch and chmod",
      steps: [Step(0, ["a.lua": "1"], [("a.lua", .attributes)]), Step(500, ["a.lua": "1"], [("a.lua", .attributes)])],
      deliveries: []),
    Trace(
      name: "a checkout of equal content",
      steps: [Step(0, ["a.lua": "1"], [("a.lua", .deleted), ("a.lua", .created), ("a.lua", .closedAfterWriting)])],
      deliveries: []),
    Trace(
      name: "a new file",
      steps: [
        Step(0, ["a.lua": "1", "b.lua": ""], [("b.lua", .created)]),
        Step(1, ["a.lua": "1", "b.lua": "b"], [("b.lua", .closedAfterWriting)]),
      ],
      deliveries: [(101, ["a.lua": "1", "b.lua": "b"])]),
    Trace(
      name: "touch of a new file, written a minute later",
      steps: [
        Step(0, ["a.lua": "1", "b.lua": ""], [("b.lua", .created), ("b.lua", .closedAfterWriting)]),
        Step(60_000, ["a.lua": "1", "b.lua": "b"], [("b.lua", .closedAfterWriting)]),
      ],
      deliveries: [(350, ["a.lua": "1", "b.lua": ""]), (60_040, ["a.lua": "1", "b.lua": "b"])]),
    Trace(
      name: "delete",
      steps: [Step(0, [:], [("a.lua", .deleted)])],
      deliveries: [(600, [:])]),
    Trace(
      name: "mv to another name",
      steps: [Step(0, ["b.lua": "1"], [("a.lua", .movedFrom), ("b.lua", .movedTo)])],
      deliveries: [(100, ["b.lua": "1"])]),
    Trace(
      name: "mkdir and a file in it at once: only the directory is reported",
      steps: [Step(0, ["a.lua": "1", "sub/b.lua": "b"], [("sub", [.created, .isDirectory])])],
      deliveries: [(100, ["a.lua": "1", "sub/b.lua": "b"])]),
    Trace(
      name: "a directory is moved away",
      before: ["a.lua": "1", "sub/b.lua": "b"],
      steps: [Step(0, ["a.lua": "1"], [("sub", [.movedFrom, .isDirectory])])],
      deliveries: [(600, ["a.lua": "1"])]),
    Trace(
      name: "a directory is renamed",
      before: ["a.lua": "1", "sub/b.lua": "b"],
      steps: [
        Step(
          0, ["a.lua": "1", "other/b.lua": "b"],
          [("sub", [.movedFrom, .isDirectory]), ("other", [.movedTo, .isDirectory]), ("", .selfMoved)])
      ],
      deliveries: [(100, ["a.lua": "1", "other/b.lua": "b"])]),
    Trace(
      name: "Kubernetes swaps ..data",
      steps: [
        Step(
          0, ["a.lua": "2"],
          [
            ("..2026_02", [.created, .isDirectory]), ("..data_tmp", .created), ("..data_tmp", .movedFrom),
            ("..data", .movedTo),
          ])
      ],
      deliveries: [(100, ["a.lua": "2"])]),
    Trace(
      name: "a log is written beside the scripts",
      steps: [
        Step(0, ["a.lua": "1"], [("out.log", .created), ("out.log", .closedAfterWriting)]),
        Step(10, ["a.lua": "1"], [("out.log", .closedAfterWriting), ("out.log", .deleted)]),
      ],
      deliveries: []),
    Trace(
      name: "events are lost",
      steps: [Step(0, ["a.lua": "2", "b.lua": "b"], [("", .overflowed)])],
      deliveries: [(100, ["a.lua": "2", "b.lua": "b"])]),
    Trace(
      name: "git checkout of another branch",
      before: ["a.lua": "1", "b.lua": "1", "c.lua": "1"],
      steps: [
        Step(0, ["a.lua": "2", "b.lua": "1", "c.lua": "1"], [("a.lua", .deleted), ("a.lua", .closedAfterWriting)]),
        Step(30, ["a.lua": "2", "b.lua": "2", "c.lua": "1"], [("b.lua", .deleted), ("b.lua", .closedAfterWriting)]),
        Step(60, ["a.lua": "2", "b.lua": "2", "d.lua": "4"], [("c.lua", .deleted), ("d.lua", .closedAfterWriting)]),
      ],
      deliveries: [
        (160, ["a.lua": "2", "b.lua": "2", "c.lua": "1", "d.lua": "4"]),
        (660, ["a.lua": "2", "b.lua": "2", "d.lua": "4"]),
      ]),
  ]

  @Test("a save is delivered once, whole, and in time", arguments: traces)
  func deliver(trace: Trace) {
    var bench = PolicyBench(trace.before)
    for step in trace.steps {
      bench.run(to: step.time - 1)
      bench.disk = step.disk
      bench.run(to: step.time)
      for event in step.events { note(event, in: &bench) }
    }
    bench.run(to: (trace.steps.last?.time ?? 0) + 10_000)
    #expect(bench.deliveries.map(\.time) == trace.deliveries.map(\.0))
    #expect(bench.deliveries.map(\.contents) == trace.deliveries.map(\.1))
  }

  private func note(_ event: (name: String, mask: EventMask), in bench: inout PolicyBench) {
    let isLink = event.name.hasPrefix("..data") || event.name == ".#a.lua"
    let meaning = WatchEvent(
      event.mask, name: event.name, in: .scripts(.root), isLink: { isLink }, isSearched: { $0.text == "sub" })
    if let meaning { bench.note(meaning) }
  }

  @Test(
    "an event means what its directory is watched for",
    arguments: [
      (.scripts("sub"), "a.lua", .movedTo, .saved("sub/a.lua")),
      (.scripts("lib"), "m.lua", .created, .created("lib/m.lua")),
      (.scripts(.root), "_a.lua", .closedAfterWriting, nil), (.scripts(.root), ".git", [.created, .isDirectory], nil),
      (.scripts(.root), "x~", [.created, .isDirectory], nil), (.scripts(.root), "", .attributes, .treeChanged),
      (.scripts(.root), "", .selfDeleted, .treeChanged), (.scripts(.root), "", .watchEnded, .treeChanged),
      (.scripts(.root), "link", .created, .treeChanged), (.scripts(.root), "link", .closedAfterWriting, nil),
      (.scripts(.root), "gone", .deleted, .treeChanged), (.scripts(.root), "other", .deleted, nil),
      (.scripts(.root), ".#link", .created, nil),
      (.entry("scripts"), "scripts", [.movedTo, .isDirectory], .treeChanged),
      (.entry("scripts"), "other", .movedTo, nil),
      (.entry("a.lua"), "a.lua", .closedAfterWriting, .treeChanged), (.entry("scripts"), "", .attributes, nil),
      (.configuration("moondial.lua"), "moondial.lua", .closedAfterWriting, .saved(.configuration)),
      (.configuration("moondial.lua"), "moondial.lua", .deleted, .removed(.configuration)),
      (.configuration("moondial.lua"), "a.lua", .closedAfterWriting, nil),
    ] as [(WatchRole, String, EventMask, WatchEvent?)])
  func meaning(role: WatchRole, name: String, mask: EventMask, event: WatchEvent?) {
    let meaning = WatchEvent(
      mask, name: name, in: role, isLink: { name.hasSuffix("link") }, isSearched: { $0.text == "gone" })
    #expect(meaning == event)
  }
}
