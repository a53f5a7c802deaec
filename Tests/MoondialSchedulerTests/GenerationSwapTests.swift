import Basics
import Chronology
import FileWatching
import Foundation
import HostModules
import JobModel
import Lua
import MoondialTesting
import Scheduling
import SchedulerService
import ScriptLoading
import ScriptRuntime
import TestSupport
import Testing
import Triggers

@testable import Hosting

@Suite("What differs between two generations")
struct GenerationDifferenceTests {
  @Test(
    "applied step by step it leaves what loading anew leaves: edits, moves, renames, broken scripts, defaults, modules",
    arguments: 0..<25 as Range<UInt64>)
  func equivalence(seed: UInt64) throws {
    var world = ScriptWorld(seed)
    let loader = try world.loader()
    let reading = ClockReading(wall: Instant(seconds: 1_780_315_200), monotonic: 1)
    var former = loader.load(world.snapshot, configuration: world.configuration)
    var stepped = Followed(former, at: reading)
    for _ in 0..<40 {
      let changes = world.edit()
      let generation = loader.load(
        world.snapshot, after: former, configuration: world.configuration, changes: changes)
      stepped.take(GenerationDifference(from: former, to: generation).steps, at: reading)
      #expect(stepped.live == Followed(generation, at: reading).live, "\(world.history)")
      #expect(stepped.files == generation.jobs.filter { $0.watch != nil }.map(\.name).sorted(), "\(world.history)")
      // Nothing is handed over that is the same in both.
      #expect(GenerationDifference(from: generation, to: generation).steps.allSatisfy { $0.declared.isEmpty })
      former = generation
    }
  }
}

/// A core that was given a generation, and the names of jobs that watch for files.
private struct Followed {
  private var core: SchedulerCore
  private var actions = Evaluation(stores: 1, executors: 1)
  private var watching: Set<String>

  init(_ generation: LoadedGeneration, at now: ClockReading) {
    core = SchedulerCore(configuration: .init(), stores: ["default"], executors: ["default"])
    watching = Set(generation.jobs.filter { $0.watch != nil }.map(\.name))
    core.reconcile(generation.jobs, at: now, into: &actions)
    core.start(at: now, into: &actions)
    core.advance(to: now, into: &actions)
  }

  mutating func take(_ steps: [SchedulerCore.ReloadStep], at now: ClockReading) {
    for step in steps {
      actions.removeAll()
      _ = core.reload(step, at: now, into: &actions)
      core.advance(to: now, into: &actions)
      for job in step.declared { if job.watch != nil { watching.insert(job.name) } else { watching.remove(job.name) } }
      watching.subtract(step.removed)
    }
  }

  var files: [String] { watching.sorted() }

  /// The jobs that are not orphaned, and what they are, by name. (A job keeps the payload that it has while its code is
  /// the same, so what is compared is whether the code differs.)
  var live: [String: LiveJob] {
    var live: [String: LiveJob] = [:]
    for job in core.jobs where !job.isOrphaned { live[job.entry.definition.name] = LiveJob(job.entry.definition) }
    return live
  }
}

private struct LiveJob: Equatable, CustomStringConvertible {
  let definition: JobDefinition
  init(_ definition: JobDefinition) { self.definition = definition }
  static func == (a: LiveJob, b: LiveJob) -> Bool {
    a.definition.source == b.definition.source && a.definition.hasSameOptions(as: b.definition)
      && a.definition.payload.difference(from: b.definition.payload) != .code
  }
  var description: String { "\(definition.source)" }
}

/// A directory of scripts that is edited at random.
private struct ScriptWorld {
  private struct Job {
    var name: Int
    var variant: Int
  }
  private struct Script {
    var path: String
    var jobs: [Job]
    var defaults = 1
    var isBroken = false
    var lines = 0
    var usesModule: Bool
  }

  private var scripts: [Script] = []
  private var module = 0
  private var hostDefault = 3
  private var random: UInt64
  private var nextPath = 0
  private(set) var history: [String] = []

  init(_ seed: UInt64) {
    random = seed &* 0x9E37_79B9_7F4A_7C15 &+ 99
    for _ in 0..<5 { addScript() }
    for number in 0..<16 { place(Job(name: number, variant: 0)) }
  }

  private mutating func below(_ limit: Int) -> Int {
    random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Int((random >> 33) % UInt64(max(1, limit)))
  }

  private mutating func addScript() {
    nextPath += 1
    scripts.append(Script(path: "s\(nextPath).lua", jobs: [], usesModule: below(3) == 0))
  }

  private mutating func place(_ job: Job) { scripts[below(scripts.count)].jobs.append(job) }

  func loader() throws -> ScriptLoader {
    let runtime = try LuaRuntime(modules: DeclareModules.modules)
    return try ScriptLoader(
      runtime: runtime, zones: TimeZoneDatabase())
  }

  var configuration: HostConfiguration {
    var configuration = HostConfiguration()
    configuration.jobDefaults = LuaTable(fields: [(key: "max_instances", value: .integer(Int64(hostDefault)))])
    return configuration
  }

  var snapshot: DirectorySnapshot {
    var files = scripts.map { script in
      ScriptFile(ScriptPath(script.path), .script, .success(FileContent(Array(text(of: script).utf8))))
    }
    files.append(
      ScriptFile(
        ScriptPath("lib/m.lua"), .module(name: "m"), .success(FileContent(Array("return \(module)".utf8)))))
    return DirectorySnapshot(files)
  }

  private func text(of script: Script) -> String {
    var text = String(repeating: "-- a line\n", count: script.lines)
    text += "job_defaults { priority = \(script.defaults) }\n"
    if script.usesModule { text += "local m = require 'm'\n" } else { text += "local m = 0\n" }
    for job in script.jobs {
      let more = ["every = '1h'", "on = 'a'", "watch = 'in/*'", "after = 'job0'", "every = '2h', tags = { 'x' }"]
      let own = job.name == 0 ? "every = '3h'" : more[job.variant % more.count]
      text += "job 'job\(job.name)' { \(own), run = function() return m + \(job.variant / 5) end }\n"
    }
    return script.isBroken ? text + "job 'x' {\n" : text
  }

  /// One edit of what somebody at an editor does, or several at once. Returns the paths that changed.
  mutating func edit() -> Set<ScriptPath> {
    let before = Dictionary(uniqueKeysWithValues: scripts.map { ($0.path, text(of: $0)) })
    let (oldModule, oldDefault) = (module, hostDefault)
    for _ in 0...below(3) { editOnce() }
    let after = Dictionary(uniqueKeysWithValues: scripts.map { ($0.path, text(of: $0)) })
    var changes: Set<ScriptPath> = []
    for path in Set(before.keys).union(after.keys) where before[path] != after[path] {
      changes.insert(ScriptPath(path))
    }
    if module != oldModule { changes.insert(ScriptPath("lib/m.lua")) }
    if hostDefault != oldDefault { changes.insert(.configuration) }
    return changes
  }

  private mutating func editOnce() {
    let script = below(scripts.count)
    let kind = below(11)
    history.append("\(kind) of \(scripts[script].path)")
    switch kind {
    case 0: scripts[script].lines += 1
    case 1: scripts[script].defaults += 1
    case 2: scripts[script].isBroken.toggle()
    case 3: module += 1
    case 4: hostDefault += 1
    case 5:
      // Renamed.
      nextPath += 1
      scripts[script].path = "s\(nextPath).lua"
    case 6:
      // Deleted; another one comes.
      scripts.remove(at: script)
      addScript()
    case 7:
      if let job = scripts[script].jobs.popLast() { place(job) }
    case 8: place(Job(name: 16 + below(20), variant: below(12)))
    case 9: if !scripts[script].jobs.isEmpty { scripts[script].jobs.removeFirst() }
    default:
      guard !scripts[script].jobs.isEmpty else { return }
      let job = below(scripts[script].jobs.count)
      scripts[script].jobs[job].variant = below(12)
    }
  }
}

@Suite("Reloads of a program that has jobs of its own", .timeLimit(.minutes(2)))
struct NativeReloadTests {
  @Test("an edit of one script looks at its job and at no other, of scripts or of the program", arguments: [0, 500])
  func cost(natives: Int) throws {
    let host = try ReloadedHost(natives: natives)
    defer { host.end() }
    for script in 0..<10 { try host.save("s\(script).lua", jobs: (0..<100).map { "s\(script)-\($0)" }) }
    try host.start()
    let before = host.examined
    let line = try host.reload { try host.save("s3.lua", jobs: (0..<100).map { "s3-\($0)" }, changing: "s3-50") }
    #expect(line.hasSuffix(": 1 changed"), "\(line)")
    #expect(host.examined - before == 1)
  }

  @Test("the program's name goes first; a script's job of that name comes in when the program gives the name up")
  func names() throws {
    let host = try ReloadedHost(natives: 1)
    defer { host.end() }
    try host.save("a.lua", jobs: ["native0", "mine"])
    try host.start()
    #expect(host.source(of: "native0") == "program.swift")
    #expect(host.log.count { $0.contains("is already declared at program.swift:1, which stays") } == 1)
    _ = try host.reload { try host.save("b.lua", jobs: ["other"]) }
    #expect(host.log.count { $0.contains("which stays") } == 1, "what did not change is not said again")
    try host.assembly.withdraw("native0")
    #expect(host.source(of: "native0") == nil)
    _ = try host.reload { try host.save("b.lua", jobs: ["other", "another"]) }
    #expect(host.source(of: "native0") == "a.lua")
    // Now the name is the script's.
    #expect(throws: SchedulerAssembly.DeclarationFailure.self) {
      try host.assembly.declare(ReloadedHost.native("native0"), replacing: true)
    }
    _ = try host.reload { try host.save("a.lua", jobs: ["mine"]) }
    #expect(host.source(of: "native0") == nil)
    try host.assembly.declare(ReloadedHost.native("native0"), replacing: false)
    #expect(host.source(of: "native0") == "program.swift")
  }
}

/// A host over a directory of its own, whose reloads can be waited for.
private final class ReloadedHost {
  final class Payload: JobPayload {
    func difference(from other: any JobPayload) -> PayloadDifference { other is Payload ? .none : .code }
  }

  final class Log: HostLog {
    private let lines = Monitor<[String]>([])
    let now = Instant(seconds: 1_780_315_200)
    var threshold: LogLevel { .info }
    func write(_ line: LogLine) {
      lines.withLock { $0.append(line.message) }
      lines.broadcast()
    }
    func count(_ holds: (String) -> Bool) -> Int { lines.withLock { $0.count(where: holds) } }
    /// The reloads so far.
    var reloads: Int { count { $0.hasPrefix("reloaded (") } }
    func reload(after count: Int) -> String {
      lines.wait { lines -> String? in
        let reloads = lines.filter { $0.hasPrefix("reloaded (") }
        return reloads.count > count ? reloads[count] : nil
      } ?? ""
    }
  }

  let log = Log()
  let assembly: SchedulerAssembly
  private let directory: TemporaryDirectory
  private let natives: Int

  init(natives: Int) throws {
    directory = try TemporaryDirectory()
    self.natives = natives
    var blueprint = SchedulerAssembly.Blueprint(log: log)
    blueprint.isEmbedded = true
    var configuration = HostConfiguration()
    configuration.stores = ["default": StoreConfiguration(StoreAddress("memory"))]
    blueprint.scripts = ScriptLocation(
      directory.path, source: .value(configuration), systemZone: TimeZoneDatabase().machineZone(tz: "UTC"),
      environment: { _ in nil }, variables: { [:] })
    assembly = try SchedulerAssembly(blueprint)
  }

  static func native(_ name: String) -> JobDefinition {
    var job = JobDefinition(
      name: name, source: SourceLocation(file: "program.swift", line: 1), payload: Payload())
    job.trigger = .every(nanoseconds: 3_600_000_000_000)
    return job
  }

  func start() throws { try assembly.start((0..<natives).map { Self.native("native\($0)") }) }

  func save(_ file: String, jobs: [String], changing changed: String? = nil) throws {
    let text = jobs.map { "job '\($0)' { every = '\($0 == changed ? 2 : 1)h', run = function() end }\n" }.joined()
    try Data(text.utf8).write(to: URL(fileURLWithPath: directory.path(file)), options: .atomic)
  }

  func reload(_ edit: () throws -> Void) rethrows -> String {
    let before = log.reloads
    try edit()
    return log.reload(after: before)
  }

  var examined: Int { assembly.engine.ask { core, _, _ in core.jobs.examined } }

  func source(of name: String) -> String? {
    assembly.engine.ask { core, _, _ in
      core.index(of: name).flatMap { index in
        let job = core.jobs[Int(index.position)]
        return job.isOrphaned ? nil : job.entry.definition.source.file
      }
    }
  }

  func end() { assembly.stop(grace: 0) }
}
