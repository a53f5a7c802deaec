import JobModel
internal import Triggers
import Chronology
import Glibc
import Lua
import ScriptLoading

/// `moondial next --batch`: one JSON line in, one JSON line out, thousands a second.
///
/// `{"id": any, "expr": …, "timezone": …, "after": … | "from": …, "count": …}` is answered by `{"id": …, "fires": […]}`
/// or `{"id": …, "error": "…"}`. A bad line is answered, too; only the end of the input ends it.
struct BatchAnswers {
  private let evaluator: ExpressionEvaluator
  private let zones: TimeZoneDatabase
  /// The zone of lines that name none.
  private let defaultZone: String
  private static let fields = ["id", "expr", "timezone", "after", "from", "count"]
  private static let largestCount = 10_000

  init(_ evaluator: ExpressionEvaluator, zones: TimeZoneDatabase, defaultZone: String) {
    self.evaluator = evaluator
    self.zones = zones
    self.defaultZone = defaultZone
  }

  func answerStandardInput() {
    while let line = readLine(strippingNewline: true) {
      if line.utf8.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }) { continue }
      Terminal.json(answer(line))
    }
  }

  private struct Refusal: Error { var message: String }

  private func answer(_ line: String) -> String {
    var document = JSONObject()
    do throws(LuaError) {
      let value = try LuaValue(json: line)
      guard case .table(let request) = value, request.array.isEmpty else {
        document.setNull("id")
        document.set("error", "give one JSON object a line, e.g. {\"expr\": \"every \\\"90s\\\"\", \"count\": 3}")
        return document.json
      }
      answer(request, into: &document)
    } catch {
      document.setNull("id")
      document.set("error", "this line is not JSON: \(error.message)")
    }
    return document.json
  }

  private func answer(_ request: LuaTable, into document: inout JSONObject) {
    document.set("id", json: id(request["id"]))
    do {
      document.set("fires", json: JSONObject.array(try fires(request).map(JSONObject.quote)))
    } catch let refusal as Refusal {
      document.set("error", refusal.message)
    } catch { document.set("error", "\(error)") }
  }

  /// The caller's id comes back as it was.
  private func id(_ value: LuaValue?) -> String {
    // An id that came as JSON goes back as JSON.
    (value.flatMap { try? $0.json() }) ?? "null"
  }

  private func fires(_ request: LuaTable) throws -> [String] {
    for (key, _) in request.fields where !Self.fields.contains(key) {
      let near = closestName(to: key, in: Self.fields).map { " (did you mean \"\($0)\"?)" } ?? ""
      throw Refusal(message: "unknown field \"\(key)\"\(near)")
    }
    guard let expression = try text("expr", request) else { throw Refusal(message: "the field \"expr\" is missing") }
    let zone = try zones.zone(named: try text("timezone", request) ?? defaultZone)
    let count = try count(request)
    let start = try start(request, zone)
    let trigger = try evaluator.trigger(expression, zone: zone).trigger
    var fires = FireTimes(trigger, start)
    return fires.next(count).map { ISO8601.format($0, in: zone) }
  }

  private func text(_ name: String, _ request: LuaTable) throws -> String? {
    switch request[name] {
    case nil, .nil?: return nil
    case .string(let text)?: return text.text
    default: throw Refusal(message: "the field \"\(name)\" must be a string")
    }
  }

  private func count(_ request: LuaTable) throws -> Int {
    switch request["count"] {
    case nil, .nil?: return 1
    case .integer(let count)? where (1...Int64(Self.largestCount)).contains(count): return Int(count)
    default: throw Refusal(message: "the field \"count\" must be a whole number from 1 to \(Self.largestCount)")
    }
  }

  private func start(_ request: LuaTable, _ zone: TimeZoneRules) throws -> FireTimes.Start {
    switch (try text("after", request), try text("from", request)) {
    case (let after?, nil): return .after(try instant(after, "after", zone))
    case (nil, let from?): return .from(try instant(from, "from", zone))
    case (nil, nil): return .after(SystemWallClock().now)
    case (_?, _?): throw Refusal(message: "give either \"after\" (exclusive) or \"from\" (inclusive), not both")
    }
  }

  private func instant(_ text: String, _ name: String, _ zone: TimeZoneRules) throws -> Instant {
    do { return try ISO8601.parse(text).instant(in: zone) } catch {
      throw Refusal(message: "\(name): \(error.message)")
    }
  }
}
