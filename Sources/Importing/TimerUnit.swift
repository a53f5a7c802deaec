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
    let own = UnitName(name)
    serviceName = self.timer.value("Timer", "Unit").map { own.expanded($0).text } ?? "\(own.base).service"
    self.service = service(serviceName).map { UnitFile($0) }
  }

  /// The name without its kind: what the job is called.
  var jobName: String {
    let printable = UnitName(name).base.unicodeScalars.map { $0.value <= 32 || $0.value == 127 ? "-" : Character($0) }
    return printable.isEmpty ? "timer" : String(printable.prefix(60))
  }

  /// Whether it is a template itself (`sync@.timer`): only its instances run.
  var isTemplate: Bool { name.hasSuffix("@.timer") }

  /// Whether the file is a link to nothing: such a unit was switched off for good.
  var isMasked: Bool { timer.isEmpty }
}
