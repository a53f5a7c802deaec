import Foundation
import HTTPTypes
import Hosting
import JobModel
import Testing

@testable import HostAPI

/// `docs/http-api.md` names what the host has, and nothing else.
@Suite("docs/http-api.md says what is so", .timeLimit(.minutes(1)))
struct DocumentTests {
  /// The page's rows of tables: the texts of their cells.
  private static let rows: [[String]] = {
    let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../docs/http-api.md")
    let text = (try? String(contentsOf: file, encoding: .utf8)) ?? ""
    return text.split(separator: "\n").filter { $0.hasPrefix("| ") }.map { line in
      line.dropFirst(2).dropLast().components(separatedBy: " | ").map { $0.trimmingCharacters(in: .whitespaces) }
    }
  }()

  /// What stands between backticks.
  private static func codes(_ cell: String) -> [String] {
    cell.split(separator: "`", omittingEmptySubsequences: false).enumerated()
      .filter { !$0.offset.isMultiple(of: 2) }.map { String($0.element) }
  }

  private static let routes = Routes.all(
    RouteContext(control: StubControl(), version: "1", credentials: Credentials(), address: { nil })
  ).filter { route in !DashboardFile.all.contains { $0.path == route.path } }

  /// The routes of a row, as `GET /path`: `POST /a/{b}/pause`, `/resume` are two.
  private static func operations(_ cell: String) -> [String] {
    var operations: [String] = []
    for code in codes(cell) {
      if code.wholeMatch(of: #/(GET|POST|DELETE) /\S*/#) != nil {
        operations.append(code)
      } else if let first = operations.first, code.hasPrefix("/") {
        let method = first.prefix { $0 != " " }
        let base = first.dropFirst(method.count + 1)
        let path = code.hasPrefix("/api/") ? code : base.prefix(upTo: base.lastIndex(of: "/")!) + code
        operations.append("\(method) \(path)")
      }
    }
    return operations
  }

  @Test("each route stands there once, with its parameters or the fields of its body, and no others")
  func routes() throws {
    let description = APIDescription(Self.routes, version: "1")
    var described: [String] = []
    for row in Self.rows where row.count >= 3 {
      for operation in Self.operations(row[0]) {
        described.append(operation)
        guard let route = Self.routes.first(where: { "\($0.method.rawValue) \($0.path)" == operation }) else {
          continue
        }
        let words = row[2].matches(of: #/[a-z_]+/#).map { String($0.output) }
        let said = Set(
          Self.codes(row[2]).flatMap { code in code.matches(of: #/^[a-z_]+$|"([a-z_]+)":/#) }
            .map { String($0.output.1 ?? $0.output.0) })
        let parameters = Set(route.parameters.filter { $0.location == .query }.map(\.name))
        if let schema = description.bodies[route.name], case .named(let name) = schema,
          case .object(let fields, _)? = description.schemas.all.first(where: { $0.name == name })?.schema
        {
          let names = Set(fields.map(\.name))
          // A pair in one row: the field of one of them may stand behind its name.
          let isOfPair = Self.operations(row[0]).count > 1
          #expect(isOfPair ? names.isSubset(of: said) : names == said, "\(operation): \(names) \(said)")
        } else {
          #expect(parameters == said, "\(operation): \(parameters) \(words)")
        }
      }
    }
    #expect(described.count == Set(described).count)
    #expect(Set(described) == Set(Self.routes.map { "\($0.method.rawValue) \($0.path)" }))
  }

  @Test("each status that a route may answer has a row")
  func statuses() {
    let said = Set(Self.rows.flatMap { $0[0].matches(of: #/\b[45]\d\d\b/#).map { Int($0.output)! } })
    let document = APIDescription(Self.routes, version: "1").json
    let answered = Set(document.matches(of: #/"([45]\d\d)":\{/#).map { Int($0.output.1)! })
    #expect(answered.count > 10 && answered.isSubset(of: said), "\(answered.subtracting(said))")
    // What the server says before it knows a route.
    #expect(said.subtracting(answered) == [405], "\(said.subtracting(answered))")
  }

  @Test("each type of event stands there")
  func events() {
    let row = Self.rows.filter { row in row.contains { $0.contains("`run_claimed`") || $0.contains("`decided`") } }
    #expect(row.count == 2)
    let kinds = ["runs", "fire times", "jobs", "schedules", "scripts", "stores", "the host"]
    let said = Self.rows.filter { $0.count == 2 && kinds.contains($0[0]) }.flatMap { Self.codes($0[1]) }
      .filter { !$0.contains(".") && !["details", "on_failure"].contains($0) }
    #expect(said.sorted() == EventAnswer.types.sorted())
  }

  @Test("each metric stands there with its labels")
  func metrics() throws {
    var numbers = HostMetrics()
    numbers.memory.luaStates = 1
    numbers.decisions = [.init(kind: .skipped, reason: .overlap, count: 1)]
    numbers.ended = [.init(job: nil, outcome: .failed, count: 3)]
    let histogram = Histogram(bounds: [1], counts: [1], count: 1, sum: 1)
    numbers.stores = [
      .init(name: "default", isWritable: true, queued: 1, batches: 9, failures: 0, latency: histogram)
    ]
    numbers.executors = [ExecutorStatus(name: "default", workers: 2, runs: 1)]
    numbers.nodes = try JSONDecoder().decode(
      [HostMetrics.NodeMetrics].self,
      from: Data(
        #"[{"store": "a", "states": [{"state": "leads", "count": 1}], "otherScripts": 0, "clockAhead": 0}]"#.utf8))
    let page = MetricsPage.text(numbers, version: "1")
    let families = page.matches(of: #/(?m)^# TYPE (\S+) /#).map { String($0.output.1) }
    var labels: [String: Set<String>] = [:]
    for family in families {
      let series = page.split(separator: "\n").first { line in
        [family + " ", family + "{", family + "_bucket"].contains { line.hasPrefix($0) }
      }
      let text = series ?? ""
      labels[family] = Set(text.matches(of: #/([a-z]+)=/#).map { String($0.output.1) }).subtracting(["le"])
    }
    var said: [String: Set<String>] = [:]
    for row in Self.rows where row[0].hasPrefix("`moondial_") {
      var names: [String] = []
      // Braces that stand alone are of all names before them.
      for code in Self.codes(row[0]) {
        let parts = code.split(separator: "{", maxSplits: 1).map(String.init)
        let own = Set(code.contains("{") ? parts.last!.dropLast().split { ", ".contains($0) }.map(String.init) : [])
        if code.hasPrefix("{") {
          for name in names where said[name] == [] { said[name] = own }
          continue
        }
        let name = code.hasPrefix("_") ? names[0].prefix(upTo: names[0].lastIndex(of: "_")!) + parts[0] : parts[0]
        names.append(name)
        said[name] = own
      }
    }
    #expect(said == labels)
  }
}
