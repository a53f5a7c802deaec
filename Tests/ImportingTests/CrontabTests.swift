import Chronology
import Foundation
import Testing
import Triggers

@testable import Importing

@Suite("Crontabs")
struct CrontabTests {
  private func entry(_ line: String, isSystemWide: Bool = false) -> Crontab.Entry? {
    guard case .entry(let entry)? = Crontab(line, isSystemWide: isSystemWide).lines.first?.item else { return nil }
    return entry
  }

  @Test(
    "fields and nicknames come before the command, in any number of blanks",
    arguments: [
      ("0 3 * * * backup", "0 3 * * *", "backup"),
      ("  */5\t1-3  *   jan  mon-fri\tcmd  a  b ", "*/5 1-3 * jan mon-fri", "cmd  a  b "),
      ("@daily run-it", "@daily", "run-it"), ("@reboot  x", "@reboot", "x"),
      ("-*/5 * * * * quiet", "*/5 * * * *", "quiet"),
      ("0 0 * * * FOO=1 cmd", "0 0 * * *", "FOO=1 cmd"),
    ])
  func fields(line: String, schedule: String, command: String) {
    #expect(entry(line) == Crontab.Entry(schedule: schedule, user: nil, command: command, input: nil))
  }

  @Test(
    "percent signs part the command from its input, and backslashes keep them",
    arguments: [
      ("mail -s hi x%Hello%there", "mail -s hi x", "Hello\nthere\n"), (#"date +\%F"#, "date +%F", nil),
      (#"printf '\%s\n' a%b\%c%"#, #"printf '%s\n' a"#, "b%c\n"), ("cat%", "cat", ""),
      (#"echo \\%x"#, #"echo \"#, "x\n"),
      (#"echo a\b\\c"#, #"echo a\b\c"#, nil), (#"x%a\b\\c\"#, "x", "a\\b\\\\c\\\n"), ("x%%", "x", "\n"),
      (#"x%a\\%b"#, "x", "a\\%b\n"), (#"\%\\\%x%y"#, #"%\%x"#, "y\n"),
    ] as [(String, String, String?)])
  func percent(text: String, command: String, input: String?) {
    let entry = entry("* * * * * " + text)
    #expect(entry?.command == command && entry?.input == input)
  }

  @Test(
    "variables may have blanks and quotes around either side",
    arguments: [
      ("A=b", "A", "b"), ("  MAILTO = root  ", "MAILTO", "root"), ("X=\"two words \"", "X", "two words"),
      ("\"Y\"='z'", "Y", "z"),
      ("EMPTY=", "EMPTY", ""), ("PATH=/bin:$HOME/bin", "PATH", "/bin:$HOME/bin"),
      ("A = b = c", "A", "b = c"), ("A='\"x\"'", "A", "x"), ("\"A B\"=c", "A B", "c"), ("A=b'c d'", "A", "b'c d'"),
    ])
  func variables(line: String, name: String, value: String) {
    #expect(Crontab(line, isSystemWide: false).lines.first?.item == .variable(name: name, value: value))
  }

  @Test(
    "what is no entry says why",
    arguments: [
      ("0 3 * *", "neither a variable nor five fields"), ("0 3 * * *", "no command"), ("@daily", "no command"),
      ("what is this", "neither a variable"), ("Q=\"a", "neither a variable"), ("A=\"b\" c", "neither a variable"),
      ("0 0 3 * * * six fields", "begins with *"), ("* * * * * %input only", "no command"),
    ])
  func unreadable(line: String, reason: String) {
    guard case .unreadable(let text)? = Crontab(line, isSystemWide: false).lines.first?.item else {
      Issue.record("\(line) was read")
      return
    }
    #expect(text.contains(reason))
  }

  @Test(
    "the sixth word is an account when the machine has one of that name, and no program",
    arguments: [
      ("17 * * * * root cd / && x\n25 6 * * * www-data y z\n", true), ("17 * * * * cd / && x\n", false),
      ("# m h dom mon dow user command\n", false), ("@daily root /bin/true\n", true),
      ("0 0 * * * root x\n0 0 * * * /bin/y\n", false),
      ("0 0 * * * backup /srv\n", true), ("0 0 * * * backup --all\n", false), ("0 0 * * * sync\n", false),
      ("0 0 * * * sync /srv\n", false), ("0 0 * * * sync /a\n0 0 * * * www-data /b\n", true),
      ("0 0 * * * nobody-here x\n", false),
    ])
  func accounts(text: String, isSystemWide: Bool) {
    let accounts = ["root", "www-data", "backup", "sync"]
    let answer = Crontab.looksSystemWide(
      text, isAccount: { accounts.contains($0) }, isProgram: { ["sync", "cd"].contains($0) })
    #expect(answer == isSystemWide)
  }

  @Test(
    "jobs are named after what they run",
    arguments: [
      ("/usr/local/bin/backup.sh --all >/dev/null 2>&1", "backup"),
      ("cd / && run-parts --report /etc/cron.hourly", "run-parts-cron.hourly"),
      ("test -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.daily; }", "run-parts-cron.daily"),
      ("test -x /usr/bin/certbot -a \\! -d /run/systemd/system && certbot -q renew", "certbot-renew"),
      ("nice -n 19 ionice -c3 /opt/app/bin/sync-users", "sync-users"), ("FOO=bar python3 /srv/job.py", "job"),
      ("/usr/bin/php -f /var/www/cron.php", "cron"), ("flock -n /tmp/a.lock /bin/sh -c 'x'", "x"),
      ("[ -x /usr/bin/mrtg ] && mrtg", "mrtg"),
      // As Debian's packages have them in /etc/cron.d.
      (
        "[ -x /etc/init.d/anacron ] && if [ ! -d /run/systemd/system ]; then /usr/sbin/invoke-rc.d anacron start >/dev/null; fi",
        "invoke-rc.d-anacron"
      ),
      (
        "test -x /usr/bin/certbot -a \\! -d /x && perl -e 'sleep int(rand(43200))' && certbot -q renew", "certbot-renew"
      ),
      (
        "if [ -x /usr/share/mdadm/checkarray ] && [ $(date +%d) -le 7 ]; then /usr/share/mdadm/checkarray --cron; fi",
        "checkarray"
      ),
      ("if [ ! -d /run/systemd/system ] && [ -x /a/rotate-stats ] ; then /a/rotate-stats ; fi", "rotate-stats"),
      ("d=$({ cat /a || true; } | tail -1); if [ -d \"$d\" ]; then find $d -type f -delete; fi", "find"),
      ("perl -e 'sleep 5'", "perl"),
      ("> /tmp/x", "x"), ("echo hello", "echo-hello"), ("docker exec -t db pg_dump app", "docker-exec"),
      ("ünïcode töst", "ünïcode"),
      ("timeout 30s curl -s https://example.org/ping", "curl"),
      ("sudo -u www-data artisan schedule:run", "www-data-artisan"),
    ])
  func names(command: String, name: String) {
    #expect(JobNames.name(ofCommandLine: command) == name)
  }

  @Test("lines end as on any system, and a carriage return within one does not end it for Lua")
  func lineEnds() {
    let text = "\u{FEFF}A=b\r\n0 3 * * * x\r\n# c\rd\r\n"
    let crontab = Crontab(text, isSystemWide: false)
    #expect(crontab.lines.count == 3 && crontab.lines[0].item == .variable(name: "A", value: "b"))
    #expect(crontab.lines[1].text == "0 3 * * * x")
    #expect(LuaWriter.comment(" c\rd") == "-- c d")
    #expect(UnitFile("[Timer]\r\nA=b\r\n").value("Timer", "A") == "b")
  }

  @Test(
    "fields mean what Debian's cron reads in them",
    arguments: [
      ("0 3 * * *", .asWritten), ("*/5 9-17 1,15 jan-mar MON-fri", .asWritten), ("05 00 * * 7", .asWritten),
      ("*/100 * * * *", .asWritten), ("0 0 * * mon#1", .other("0 0 * * mon")), ("15~45 * * * *", .other("15 * * * *")),
      ("*5 * * * *", .other("* * * * *")), ("1-5-7,9 * * * *", .other("1-5 * * * *")),
      ("0 0 * * fri-mon", .never), ("30-10 * * * *", .never), ("0 22-6 * * *", .never),
      ("0 22-6,12 * * *", .other("0 12 * * *")), ("0 0 1 * fri-mon", .other("0 0 1 * *")),
      ("0 0 20-10 * fri", .other("0 0 * * fri")), ("0 0 20-10 * *", .never), ("0 0 * * sat-sun", .never),
      ("1/5 * * * *", .refused), ("? * * * *", .refused), ("61 * * * *", .refused), ("5, * * * *", .refused),
      ("0 0 L * *", .refused), ("0 0 * * 8", .refused), ("*/0 * * * *", .refused), ("H H * * *", .refused),
      ("0 0 * 0 *", .refused), ("5-64/30 * * * *", .refused),
    ] as [(String, CrontabField.Reading)])
  func readings(fields: String, reading: CrontabField.Reading) {
    #expect(CrontabField.reading(of: fields.split(separator: " ").map(String.init)) == reading)
  }

  @Test("names that scripts beside declare are left to them")
  func takenNames() {
    let lua = "job \"backup\" { }\njob { name = 'mail', cron = \"0 3 * * *\" }\njob(\"x\", {})\nlog.info(\"no\")\n"
    #expect(JobNames.declared(in: lua) == ["backup", "mail", "x"])
    let made = Crontab("0 3 * * * backup\n0 4 * * * other\n", isSystemWide: false).script(
      from: ImportOrigin(source: "a crontab", script: "cron.lua", takenNames: ["backup"]),
      context: TriggerContext(zones: TimeZoneDatabase()))
    #expect(made.lua.contains("job \"backup-2\"") && made.lua.contains("job \"other\""))
  }

  @Test("names are unique")
  func uniqueNames() {
    var names = JobNames()
    #expect(["a", "a", "a-2", "a"].map { names.unique($0) } == ["a", "a-2", "a-2-2", "a-3"])
  }

  @Test(
    "strings are quoted as a person would",
    arguments: [
      ("plain", "\"plain\""), ("say \"hi\"", "[[say \"hi\"]]"), ("\\]]", "[=[\\]]]=]"), ("a\"]", "[=[a\"]]=]"),
      ("two\nlines", "\"two\\nlines\""),
      ("\"\n", "\"\\\"\\n\""),
    ])
  func strings(text: String, literal: String) {
    #expect(LuaWriter.string(text) == literal)
  }
}

@Suite("Scripts of crontabs")
struct CrontabScriptTests {
  private func script(_ text: String, isSystemWide: Bool = false) -> ImportedScript {
    Crontab(text, isSystemWide: isSystemWide).script(
      from: ImportOrigin(source: "a crontab", script: "cron.lua"), context: TriggerContext(zones: TimeZoneDatabase()))
  }

  @Test("each entry is a job below its line, comments stay, variables hold for what follows")
  func whole() {
    let made = script(
      """
      # m h dom mon dow command
      SHELL=/bin/bash
      #[[ not a long comment

      0 3 * * * backup --all
      PATH="/opt/bin:/bin"
      CRON_TZ=Asia/Tokyo
      30 8 * * mon-fri mail -s "a b" x%Hello\\%%you
      @reboot warm-up
      """)
    let body = made.lua.split(separator: "\nend\n").last.map(String.init) ?? ""
    #expect(
      body == """

        -- m h dom mon dow command
        -- SHELL=/bin/bash
        -- [[ not a long comment

        local vars = { PATH = "/usr/bin:/bin", SHELL = "/bin/bash" }
        -- 0 3 * * * backup --all
        job "backup" { cron = "0 3 * * *", run = shell("backup --all", vars) }
        -- PATH="/opt/bin:/bin"
        -- CRON_TZ=Asia/Tokyo
        vars = { SHELL = "/bin/bash", PATH = "/opt/bin:/bin" }
        -- 30 8 * * mon-fri mail -s "a b" x%Hello\\%%you
        job "mail" {
          cron = "30 8 * * mon-fri",
          timezone = "Asia/Tokyo",
          run = shell([[mail -s "a b" x]], vars, { stdin = "Hello%\\nyou\\n" }),
        }
        -- @reboot warm-up
        job "warm-up" { cron = "@reboot", run = shell("warm-up", vars) }

        """)
    #expect(made.notes.isEmpty && made.jobCount == 3 && !made.isIncomplete)
    let grant = #"{ exec = { "/bin/bash" }, exec_env = { "PATH", "SHELL" } }"#
    #expect(made.lua.contains("--   grants = { [\"cron.lua\"] = \(grant) }\n"))
  }

  @Test("what cannot be carried over is said beside the line and in the notes")
  func notes() {
    let made = script(
      "MAILTO=ops@example.org\nMAILTO=\"\"\nRANDOM_DELAY=45\n0 3 * * * a\n61 * * * * b\n"
        + "CRON_TZ=Europe/Berln\n0 4 * * * c\nnonsense\n"
    )
    #expect(made.notes.map(\.place) == ["line 1", "line 5", "line 6", "line 8"])
    #expect(made.notes.map(\.isLoss) == [false, true, false, true] && made.isIncomplete && made.jobCount == 2)
    #expect(made.notes[1].message.contains("minute 61 is outside 0-59"))
    #expect(made.notes[2].message.contains("did you mean Europe/Berlin?"))
    #expect(made.lua.contains("-- 61 * * * * b\n-- ^ not imported, because"))
    #expect(made.lua.contains("jitter = \"45m\""))
  }

  @Test("accounts other than root go through runuser")
  func accounts() {
    let made = script("0 3 * * * root a\n0 4 * * * www-data b\n0 5 * * * we;ird c\n", isSystemWide: true)
    #expect(made.lua.contains("run = shell(\"a\", vars) }"))
    #expect(made.lua.contains("run = shell(\"b\", vars, { user = \"www-data\" }) }"))
    #expect(made.lua.contains("exec = { \"/bin/sh\", \"/usr/sbin/runuser\" }"))
    #expect(made.notes.map(\.isLoss) == [false, true])
  }

  @Test("a crontab without entries is a script without jobs", arguments: ["", "\n\n", "# nothing\n", "A=b\n"])
  func empty(text: String) {
    let made = script(text)
    #expect(made.jobCount == 0 && made.notes.isEmpty && made.lua.hasPrefix("-- Made of"))
    #expect(!made.lua.contains("job_defaults"))
  }

  @Test("the example of docs/importing.md is what happens")
  func document() throws {
    let url = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../docs/importing.md")
    let text = try String(contentsOf: url.standardizedFileURL, encoding: .utf8)
    let chapter = try #require(text.split(separator: "## Crontabs\n").last)
    let blocks = chapter.split(separator: "```", omittingEmptySubsequences: false)
    let crontab = blocks[1].drop { $0 != "\n" }.dropFirst()
    let lua = blocks[3].drop { $0 != "\n" }.dropFirst()
    #expect(crontab.hasPrefix("MAILTO") && script(String(crontab)).lua.hasSuffix("end\n\n\(lua)"))
  }
}
