/// A timer of systemd with the service that it starts.
package struct TimerUnit: Sendable {
  /// The timer's file name: `backup.timer`, `sync@home.timer`.
  let name: String
  let timer: UnitFile
  /// The service's name, and its file's text when there was one.
  let serviceName: String
  let service: UnitFile?

  /// - Parameters:
  ///   - timer: the text of the timer's file.
  ///   - service: finds the text of a service by its name (`backup.service`).
  package init(name: String, timer: String, service: (String) -> String?) {
    self.name = name
    self.timer = UnitFile(timer)
    let base = name.hasSuffix(".timer") ? String(name.dropLast(6)) : name
    serviceName = self.timer.value("Timer", "Unit") ?? "\(base).service"
    self.service = service(serviceName).map { UnitFile($0) }
  }

  /// The name without its kind: what the job is called.
  var jobName: String {
    let base = name.hasSuffix(".timer") ? String(name.dropLast(6)) : name
    let printable = base.unicodeScalars.map { $0.value <= 32 || $0.value == 127 ? "-" : Character($0) }
    return printable.isEmpty ? "timer" : String(printable.prefix(60))
  }

  /// Whether it is a template itself (`sync@.timer`): only its instances run.
  var isTemplate: Bool { name.hasSuffix("@.timer") }

  /// The part of the service's name behind the `@`, if it is made of a template.
  private var instance: String? {
    guard let at = serviceName.firstIndex(of: "@") else { return nil }
    return String(serviceName[serviceName.index(after: at)...].prefix { $0 != "." })
  }

  /// The value with the specifiers replaced that do not depend on the machine; the first other one is returned as it
  /// stands.
  func expanded(_ value: String) -> (text: String, unknown: String?) {
    var text = ""
    var unknown: String?
    var characters = value.makeIterator()
    while let character = characters.next() {
      guard character == "%" else {
        text.append(character)
        continue
      }
      let letter = characters.next()
      let base = serviceName.hasSuffix(".service") ? String(serviceName.dropLast(8)) : serviceName
      switch letter {
      case "%": text += "%"
      case "n": text += serviceName
      case "N": text += base
      case "p": text += base.prefix { $0 != "@" }
      case "i", "I": text += instance ?? ""
      default:
        text += "%\(letter.map(String.init) ?? "")"
        unknown = unknown ?? "%\(letter.map(String.init) ?? "")"
      }
    }
    return (text, unknown)
  }
}
