/// What somebody writes in a first week, as the documentation says it: twelve scripts and their `moondial.lua`.
enum FirstWeek {
  static let configuration = """
    return {
      timezone = "Europe/Vienna",
      secrets = { directory = "secrets" },
      groups = { db = { max = 2 } },
      job_defaults = { timeout = "10m" },
      grants = {
        ["backup.lua"] = { fs = { "srv:rw" }, exec = { "tar" }, secret = { "backup-*" } },
        ["logrotate.lua"] = { fs = { "srv/log:rw" }, exec = { "gzip" } },
        ["disk.lua"] = { exec = { "df" } },
        ["health.lua"] = { http = { "localhost" } },
        ["import.lua"] = { fs = { "srv:rw" } },
        ["report.lua"] = { fs = { "srv:rw" } },
      },
      on_failure = function(run, err) log.error(run.job .. " needs you: " .. err.message, { attempts = run.attempts }) end,
    }
    """

  static let scripts: [(name: String, text: String)] = [
    (
      "backup.lua",
      """
      job "backup" {
        cron = "15 3 * * *", timeout = "5m", recover = true, retry = { max = 2, base = "1s" },
        run = function(ctx)
          local token, why = secret("backup-token")
          if not token then ctx:fail(why) end
          log.info("using " .. token)
          local name = "srv/backup/app-" .. ctx.id .. ".tar.gz"
          local r = exec({ "tar", "czf", name, "-C", "srv", "app" }, { timeout = "2m" })
          if r.code ~= 0 then error("tar: " .. r.stderr) end
          local files = fs.glob("srv/backup/app-*.tar.gz")
          for i = 1, #files - 2 do fs.remove(files[i]); log.info("removed", { file = files[i] }) end
          ctx:progress(1)
          return { kept = #fs.glob("srv/backup/*"), size = fs.stat(name).size }
        end,
      }
      """
    ),
    (
      "logrotate.lua",
      """
      job "rotate logs" {
        cron = "0 0 * * *",
        run = function(ctx)
          for _, path in ipairs(fs.glob("srv/log/*.log")) do
            if fs.stat(path).size > 100 then
              local old = path .. "." .. time.format(ctx.scheduled_at, { format = "%Y%m%d%H%M%S" })
              assert(fs.rename(path, old))
              assert(fs.write(path, ""))
              local r = exec({ "gzip", old })
              assert(r.code == 0, r.stderr)
            end
          end
        end,
      }
      """
    ),
    (
      "disk.lua",
      """
      job "disk alarm" {
        every = "10m", run_at_start = true,
        run = function()
          local r = exec({ "df", "-P", "/" })
          local used = tonumber(r.stdout:match("(%d+)%%"))
          metric.gauge("disk_used_percent", used, { mount = "/" })
          if used >= 0 then emit("disk.full", { used = used }) end
        end,
      }
      job "disk mail" { on = "disk.full", debounce = "50ms", run = function(ctx) log.warn("disk is full", ctx.event.data) end }
      """
    ),
    (
      "health.lua",
      """
      local hosts = { "localhost:1", "localhost:2" }
      job "health" {
        every = "1h", timeout = "20s", run_at_start = true,
        run = function()
          local out = all(hosts, function(h) return http.get("http://" .. h .. "/health", { timeout = "3s" }) end, { limit = 4 })
          local up = {}
          for i, r in ipairs(out) do up[hosts[i]] = r.ok and r.value.status == 200 end
          for host, ok in pairs(up) do if not ok then log.warn("down", { host = host }) end end
          return up
        end,
      }
      """
    ),
    (
      "import.lua",
      """
      job "import" {
        watch = { path = "srv/in/*.csv", settle = "100ms" },
        run = function(ctx)
          local db = assert(sqlite.open("srv/sales.db"))
          db:run("CREATE TABLE IF NOT EXISTS sales (item TEXT, price REAL)")
          for _, path in ipairs(ctx.event.paths) do
            local rows = 0
            assert(db:transaction(function()
              for row, line in csv.rows(fs.chunks(path), { header = true }) do
                local price = tonumber(row.price)
                if not price then ctx:fail("line " .. line .. " has no price") end
                assert(db:run("INSERT INTO sales VALUES (?, ?)", { row.item, price }))
                rows = rows + 1
              end
              return true
            end))
            log.info("imported", { rows = rows })
          end
          db:close()
        end,
      }
      """
    ),
    (
      "report.lua",
      """
      local page = template.compile("<h1>{{day}}</h1>{{#rows}}<li>{{item}}: {{sum}}</li>{{/rows}}")
      job "nightly report" {
        cron = "0 2 * * *",
        run = function(ctx)
          local db = assert(sqlite.open("srv/sales.db", { read_only = true }))
          local rows = assert(db:query("SELECT item, sum(price) AS sum FROM sales GROUP BY item ORDER BY item"))
          local day = time.format(ctx.scheduled_at, { format = "%Y-%m-%d" })
          assert(fs.write("srv/report.html", page({ day = day, rows = rows })))
          return { rows = #rows }
        end,
      }
      """
    ),
    (
      "pipeline.lua",
      """
      local extract = job "extract" { cron = "0 4 * * *", run = function() return { rows = 42 } end }
      job "transform" { after = extract, run = function(ctx) return { rows = ctx.event.result.rows * 2 } end }
      job "load" { after = "transform", run = function(ctx) log.info("loaded", ctx.event.result) end }
      job "alarm" { after = { job = "extract", outcome = "failed" }, run = function(ctx) log.error(ctx.event.error) end }
      job "both" { after = { all = { "extract", "load" } }, run = function(ctx) log.info("both", ctx.event.results) end }
      """
    ),
    (
      "fanout.lua",
      """
      job "fan out" {
        every = "1h",
        run = function(ctx)
          local out = all({ 1, 2, 3, 4, 5, 6, 7, 8 }, function(n)
            sleep("5ms")
            ctx:progress(n / 8)
            if n == 5 then error("five") end
            return n * n
          end, { limit = 3 })
          local sum = 0
          for _, r in ipairs(out) do if r.ok then sum = sum + r.value end end
          return { sum = sum, error = out[5].error }
        end,
      }
      """
    ),
    (
      "groups.lua",
      """
      for _, name in ipairs { "orders", "stock", "billing" } do
        job("sync " .. name, { every = "30m", group = "db", rate = "10/1m", run = function() sleep("5ms") return name end })
      end
      """
    ),
    (
      "holidays.lua",
      """
      local free = calendar_of { dates = { "2026-12-25", "2026-12-26", "2027-01-01" }, weekdays = "sat,sun" }
      job "payroll" { trigger = shift(cron "0 9 1 * *", free, "next"), run = function() end }
      job "standup" { trigger = except(cron "0 9 * * mon-fri", free), run = function() end }
      job "closing" { trigger = workdays("last", { hour = 18, calendar = free }), run = function() end }
      """
    ),
    (
      "reminders.lua",
      """
      job "remind" { run = function(ctx) log.info("remember: " .. ctx.params.text) end }
      job "plan" {
        run_at_start = true,
        run = function()
          jobs.schedule("remind", { at = time.now(), params = { text = "tea" }, id = "tea", replace_existing = true })
          jobs.schedule("remind", { every = "1d", params = { text = "water" }, id = "water", replace_existing = true })
        end,
      }
      """
    ),
    (
      "secrets.lua",
      """
      job "no grant" { run = function() return secret("backup-token") end }
      """
    ),
  ]
  /// How they are tested.
  static let tests = """
    test("the third backup removes the first", { jobs = { "backup" } }, function(t)
      fs.mkdir("srv/backup")
      t:fake("secret", { ["backup-token"] = "s" })
      t:fake("exec", function(words)
        fs.write(words[3], "x")
        return 0
      end)
      for kept = 1, 2 do t:equal(t:run("backup").result.kept, kept) end
      t:equal(t:run("backup").result.kept, 2)
      t:equal(#t:calls("exec"), 3)
    end)

    test("a full disk is told once", { jobs = { "disk alarm", "disk mail" } }, function(t)
      t:fake("exec", "Filesystem 1024-blocks Used Available Capacity Mounted on\\n/dev/a 100 93 7 93% /\\n")
      t:advance("1s")
      t:match(t:logs("disk mail")[1].message, "disk is full")
      t:equal(t:logs("disk mail")[1].fields.used, 93)
    end)

    test("a file is imported and reported in the night", { jobs = { "import", "nightly report" } }, function(t)
      fs.mkdir("srv/in")
      fs.write("srv/in/a.csv", "item,price\\ntea,1.5\\ntea,3\\n")
      t:equal(t:files("import", { "srv/in/a.csv" })[1].outcome, "succeeded")
      local run = t:advance_to("2026-01-01T03:00")[1]
      t:equal({ run.job, run.at, run.result.rows }, { "nightly report", "2026-01-01T02:00:00+01:00", 1 })
      t:match(fs.read("srv/report.html"), "tea: 4.5")
    end)

    test("the pipeline goes through, and a failure is told", function(t)
      t:run("extract")
      t:equal(t:runs("load")[1].outcome, "succeeded")
      t:equal(t:runs("both")[1].event.results.load, nil)
      t:equal(#t:runs("alarm"), 0)
    end)

    test("a stand-up is not held at Christmas", { at = "2026-12-24T08:00", jobs = { "standup" } }, function(t)
      t:equal(t:next("standup", 2), { "2026-12-24T09:00:00+01:00", "2026-12-28T09:00:00+01:00" })
    end)

    test("water is remembered each day", { jobs = { "remind", "plan" } }, function(t)
      t:advance("3d")
      local said = {}
      for _, run in ipairs(t:runs("remind")) do said[#said + 1] = run.params.text end
      t:equal(said, { "tea", "water", "water", "water" })
    end)
    """
}
