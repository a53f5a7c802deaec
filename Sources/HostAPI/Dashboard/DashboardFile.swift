/// A file of the dashboard: plain HTML, CSS and JavaScript below `Page`, which the build puts into the binary as it is.
struct DashboardFile: Sendable {
  /// Of the route.
  var path: String
  var name: String
  var type: String
  var text: String

  static let all = [
    DashboardFile("/", "home", "text/html", PackageResources.index_html),
    DashboardFile("/dashboard/dashboard.css", "dashboardStyle", "text/css", PackageResources.dashboard_css),
    DashboardFile("/dashboard/dashboard.js", "dashboardScript", "text/javascript", PackageResources.dashboard_js),
    DashboardFile("/dashboard/pages.js", "dashboardPages", "text/javascript", PackageResources.pages_js),
    DashboardFile("/dashboard/elements.js", "dashboardElements", "text/javascript", PackageResources.elements_js),
    DashboardFile("/dashboard/host.js", "dashboardHost", "text/javascript", PackageResources.host_js),
    DashboardFile("/dashboard/icon.svg", "dashboardIcon", "image/svg+xml", PackageResources.icon_svg),
  ]

  private init(_ path: String, _ name: String, _ type: String, _ bytes: [UInt8]) {
    self.path = path
    self.name = name
    self.type = type + "; charset=utf-8"
    text = String(decoding: bytes, as: UTF8.self)
  }
}
