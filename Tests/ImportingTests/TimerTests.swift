import Chronology
import Testing
import Triggers

@testable import Importing

@Suite("Timers of systemd")
struct TimerTests {
  private func script(_ name: String, _ timer: String, _ services: [String: String]) -> ImportedScript {
    let unit = TimerUnit(name: name, timer: timer) { services[$0] }
    return TimerUnit.script(
      of: [unit], from: ImportOrigin(source: name, script: "t.lua"), context: TriggerContext(zones: TimeZoneDatabase()))
  }

  @Test("a pair becomes a job below its settings")
  func pair() {
    let made = script(
      "backup.timer",
      """
      [Unit]
      Description=Nightly

      [Timer]
      OnCalendar=Mon..Fri 03:00
      OnCalendar=Sat 05:00
      RandomizedDelaySec=1h 30min
      Persistent=true

      [Install]
      WantedBy=timers.target
      """,
      [
        "backup.service": """
        [Unit]
        Description=Back everything up
        [Service]
        Type=oneshot
        # a comment
        Environment="TARGET=/srv/my backups" LEVEL=9
        WorkingDirectory=/srv
        ExecStartPre=-/bin/mkdir -p ${TARGET}
        ExecStart=/usr/bin/backup --all \\
            --level $LEVEL 'with space' %p 100%%
        TimeoutStartSec=10min
        """
      ])
    let body = made.lua.split(separator: "\nend\n").last.map(String.init) ?? ""
    #expect(
      body == """

        -- backup.timer
        --   OnCalendar=Mon..Fri 03:00
        --   OnCalendar=Sat 05:00
        --   RandomizedDelaySec=1h 30min
        --   Persistent=true
        -- backup.service
        --   Type=oneshot
        --   Environment="TARGET=/srv/my backups" LEVEL=9
        --   WorkingDirectory=/srv
        --   ExecStartPre=-/bin/mkdir -p ${TARGET}
        --   ExecStart=/usr/bin/backup --all  --level $LEVEL 'with space' %p 100%%
        --   TimeoutStartSec=10min
        job "backup" {
          description = "Back everything up",
          trigger = any_of { on_calendar "Mon..Fri 03:00", on_calendar "Sat 05:00" },
          jitter = "90m",
          timeout = "10m",
          run = programs({
            { "/bin/mkdir", "-p", "/srv/my backups", may_fail = true },
            { "/usr/bin/backup", "--all", "--level", "9", "with space", "backup", "100%" },
          }, { cwd = "/srv", env = { TARGET = "/srv/my backups", LEVEL = "9" } }),
        }

        """)
    #expect(made.notes.isEmpty && made.jobCount == 1)
    #expect(
      made.lua.contains(#"exec = { "/bin/mkdir", "/usr/bin/backup" }, exec_env = { "TARGET", "LEVEL" } } }"#))
  }

  @Test("times since start become startup and every; an untimely calendar run is left out unless it is persistent")
  func monotonic() {
    let service = ["x.service": "[Service]\nExecStart=/bin/x\n"]
    let both = script("x.timer", "[Timer]\nOnBootSec=15min\nOnUnitActiveSec=1d\n", service)
    #expect(both.lua.contains("trigger = any_of { every \"1d\", startup() }"))
    #expect(both.notes.map(\.message) == ["OnBootSec=15min: the job runs when the host starts, without that delay"])
    let calendar = script("x.timer", "[Timer]\nOnCalendar=daily\nAccuracySec=1h\n", service)
    #expect(calendar.lua.contains("misfire_grace_time = \"1m\"") && calendar.notes.count == 1)
  }

  @Test("templates know their instance, and other services are named by Unit")
  func templates() {
    let made = script(
      "sync@home.timer", "[Timer]\nOnCalendar=hourly\nUnit=copy@home.service\n",
      ["copy@home.service": "[Service]\nExecStart=/bin/copy %i %n %H\n"])
    #expect(made.lua.contains("{ \"/bin/copy\", \"home\", \"copy@home.service\", \"%H\" }"))
    #expect(made.lua.contains("job \"sync@home\"") && made.notes.count == 1)
    let template = script(
      "sync@.timer", "[Timer]\nOnCalendar=hourly\n", ["sync@.service": "[Service]\nExecStart=/bin/copy %i\n"])
    #expect(template.jobCount == 0 && template.notes.contains { $0.isLoss && $0.message.contains("is a template") })
  }

  @Test(
    "what is lost is said",
    arguments: [
      ("[Timer]\nOnCalendar=never\n", "[Service]\nExecStart=/bin/x\n", "never"),
      ("[Timer]\n", "[Service]\nExecStart=/bin/x\n", "no time"),
      ("[Timer]\nOnCalendar=daily\n", "[Service]\n", "no ExecStart"),
      ("[Timer]\nOnCalendar=daily\n", "", "no ExecStart"),
      ("[Timer]\nOnCalendar=daily\n", "[Service]\nExecStart=/bin/x 'open\n", "not closed"),
      ("[Timer]\nOnCalendar=daily\n", "[Service]\nExecStart=@/bin/x y\n", "another name"),
      ("[Timer]\nOnCalendar=daily\n", "[Service]\nExecStart=$NOTHING\n", "nothing is left"),
      ("[Timer]\nOnUnitActiveSec=soon\n", "[Service]\nExecStart=/bin/x\n", "no length of time"),
    ])
  func losses(timer: String, service: String, message: String) {
    let made = script("x.timer", timer, ["x.service": service])
    #expect(made.jobCount == 0 && made.isIncomplete)
    #expect(made.notes.contains { $0.isLoss && $0.message.contains(message) }, "\(made.notes)")
  }

  @Test("what surrounds a service is listed once")
  func rest() {
    let made = script(
      "x.timer", "[Timer]\nOnCalendar=daily\n",
      [
        "x.service":
          "[Unit]\nOnFailure=mail@%n.service\n[Service]\nNice=19\nPrivateTmp=yes\nUser=www-data\n"
          + "ExecStart=/bin/x $A ${B}c\n"
      ])
    #expect(made.notes.contains { $0.message == "not carried over: Nice, PrivateTmp, OnFailure" })
    #expect(made.lua.contains("{ \"/usr/sbin/runuser\", \"-u\", \"www-data\", \"--\", \"/bin/x\", \"c\" }"))
    #expect(made.notes.count == 4 && !made.isIncomplete)
  }

  @Test("a plus keeps the host's rights, and a word is said once")
  func privileged() {
    let made = script(
      "x.timer", "[Timer]\nOnCalendar=daily\n",
      ["x.service": "[Service]\nUser=man\nExecStartPre=+/bin/a\nExecStart=/bin/b\nExecStartPost=/bin/c\n"])
    #expect(made.lua.contains("{ \"/bin/a\" },") && made.lua.contains("\"man\", \"--\", \"/bin/b\" },"))
    #expect(made.notes.count == 1)
  }

  @Test(
    "specifiers are those of the unit that has them, and instances keep their dots and dashes",
    arguments: [
      ("%i", "srv-data.v2"), ("%I", "srv/data.v2"), ("%f", "/srv/data.v2"), ("%n", "copy-all@srv-data.v2.service"),
      ("%N", "copy-all@srv-data.v2"), ("%p", "copy-all"), ("%P", "copy/all"), ("%j", "all"), ("%h/x", "/root/x"),
      ("%S", "/var/lib"), ("%t", "/run"), ("%C", "/var/cache"), ("%L", "/var/log"), ("%E", "/etc"), ("%T", "/tmp"),
      ("100%%", "100%"), ("%u", "root"), ("50%", "50%"),
    ])
  func specifiers(text: String, value: String) {
    #expect(UnitName("copy-all@srv-data.v2.service").expanded(text).text == value)
    let made = script(
      "sync@srv-data.v2.timer", "[Timer]\nOnCalendar=hourly\nUnit=copy-all@%i.service\n",
      ["copy-all@srv-data.v2.service": "[Service]\nExecStart=/bin/copy \(text)\n"])
    #expect(made.lua.contains("{ \"/bin/copy\", \"\(value)\" }") && made.notes.isEmpty, "\(made.lua)")
  }

  @Test("names are unescaped byte by byte")
  func unescaping() {
    #expect(UnitName.unescaped(#"a\x2db-c"#) == "a-b/c" && UnitName.unescaped(#"\xc3\xa9\x"#) == #"é\x"#)
    #expect(UnitName("a@.timer").template == nil && UnitName("a@b.timer").template == "a@.timer")
    #expect(UnitName("a.timer").instance == nil && UnitName("a@.timer").instance == "")
  }

  @Test(
    "commands are parted by semicolons of their own, and escapes are those of C",
    arguments: [
      ("/bin/a x ; /bin/b y", [["/bin/a", "x"], ["/bin/b", "y"]]), (#"/bin/a \; b"#, [["/bin/a", ";", "b"]]),
      ("/bin/a x; b", [["/bin/a", "x;", "b"]]), (#"/bin/a ';' ";""#, [["/bin/a", ";", ";"]]),
      (#"/bin/a a\x41\101\u00e9\sb\tc\q"#, [["/bin/a", "aAAé b\tc\\q"]]),
      (#"/bin/a "x y"z 'it''s'"#, [["/bin/a", "x yz", "its"]]),
      ("; ;", []), (#"/bin/a """#, [["/bin/a", ""]]),
    ])
  func commands(text: String, commands: [[String]]) {
    #expect(UnitText.commands(text) == commands)
  }

  @Test("an empty time takes back those of all kinds; what is not carried over is said")
  func resets() {
    let service = ["x.service": "[Service]\nExecStart=/bin/x\n"]
    let made = script(
      "x.timer", "[Timer]\nOnBootSec=0\nOnUnitActiveSec=1h\nOnCalendar=daily\nOnBootSec=\nOnCalendar=weekly\n", service)
    #expect(made.lua.contains("trigger = on_calendar \"weekly\"") && made.notes.isEmpty)
    let delayed = script(
      "x.timer", "[Timer]\nOnCalendar=daily\nFixedRandomDelay=yes\nRandomizedOffsetSec=1h\nNewSetting=1\n", service)
    #expect(delayed.notes.map(\.message).contains("not carried over: RandomizedOffsetSec, NewSetting"))
    #expect(delayed.notes.contains { $0.message.hasPrefix("FixedRandomDelay is not carried over") })
    #expect(delayed.lua.contains("cwd = \"/\""))
    let home = script(
      "x.timer", "[Timer]\nOnCalendar=daily\n", ["x.service": "[Service]\nExecStart=/bin/x\nWorkingDirectory=~\n"])
    #expect(home.lua.contains("cwd = \"/root\"") && home.notes.isEmpty)
  }

  @Test("units and drop-ins are found as systemd finds them")
  func search() {
    let files = [
      "/usr/lib/systemd/system/b-c@.timer": "vendor", "/etc/systemd/system/b-c@.timer": "admin",
      "/usr/lib/systemd/system/b-c@.timer.d/10-a.conf": "hidden", "/etc/systemd/system/b-c@.timer.d/10-a.conf": "a",
      "/run/systemd/system/b-c@x.timer.d/20-b.conf": "b", "/lib/systemd/system/b-@.timer.d/15-p.conf": "p",
      "/etc/systemd/system/timer.d/05-all.conf": "all", "/usr/lib/systemd/system/b-c@x.timer.d/30-m.conf": "masked",
      "/etc/systemd/system/b-c@x.timer.d/30-m.conf": "", "/etc/systemd/system/b-c@x.timer.d/no.txt": "no",
      "/run/systemd/system/off.timer": "",
      "/lib/systemd/system/off.timer": "on",
    ]
    let search = UnitSearch(
      read: { files[$0] },
      list: { folder in files.keys.filter { $0.hasPrefix(folder) }.map { String($0.dropFirst(folder.count)) } })
    let directories = UnitSearch.directories(of: "/etc/systemd/system/timers.target.wants/")
    #expect(search.unit("b-c@x.timer", in: directories) == "admin\nall\na\np\nb")
    #expect(search.unit("off.timer", in: directories)?.isEmpty == true)
    #expect(search.unit("gone.timer", in: directories) == nil)
    #expect(UnitSearch.directories(of: "/srv/units/") == ["/srv/units/"])
    let made = script("off.timer", "", [:])
    #expect(made.jobCount == 0 && !made.isIncomplete && made.notes[0].message.contains("masked"))
  }

  @Test(
    "time spans",
    arguments: [
      ("90", 90_000_000_000), ("1h 30min", 5_400_000_000_000), ("15min", 900_000_000_000),
      ("2 weeks", 1_209_600_000_000_000),
      ("500ms", 500_000_000), ("1d12h", 129_600_000_000_000), ("1.5h", 5_400_000_000_000),
      ("1y", 31_557_600_000_000_000),
    ])
  func spans(text: String, nanoseconds: Int64) {
    #expect(UnitText.span(text) == nanoseconds)
  }

  @Test("no time spans", arguments: ["", "soon", "5 apples", "-1", "infinity", "1..5s", "99999999999y"])
  func noSpans(text: String) {
    #expect(UnitText.span(text) == nil)
  }
}
