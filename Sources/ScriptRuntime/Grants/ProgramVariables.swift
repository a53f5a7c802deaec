/// Variables of the environment with which whoever sets them decides what a program loads, runs or obeys: those of the
/// dynamic loader, of shells and interpreters, of tools that read options or start other tools by them.
///
/// No pattern of a grant covers them, and neither does `exec_env = true`: they have to be named letter by letter. The
/// list is generous, since a name too many in it costs somebody one word in `moondial.lua`.
package enum ProgramVariables {
  /// By language or tool.
  private static let patterns: [String] = [
    // The loader and the C library.
    "LD_*", "DYLD_*", "GLIBC_*", "GCONV_PATH", "GETCONF_DIR", "LOCPATH", "NLSPATH", "MALLOC_*", "HOSTALIASES",
    "LOCALDOMAIN", "RES_OPTIONS", "RESOLV_*", "NIS_PATH", "TZDIR", "TMPDIR", "*_PRELOAD", "ASAN_*", "*SAN_OPTIONS",
    // Where everything is looked for.
    "PATH", "HOME", "SHELL", "CDPATH", "PWD", "OLDPWD", "XDG_*", "TERMINFO*", "TERMCAP", "INPUTRC",
    // Shells.
    "ENV", "IFS", "BASH*", "SHELLOPTS", "PS0", "PS1", "PS2", "PS3", "PS4", "PROMPT_*", "FPATH", "ZDOTDIR", "ZSH*",
    "ZLS_*", "KSH*", "FISH_*", "fish_*", "GLOBIGNORE", "EXECIGNORE", "FUNCNEST", "HIST*", "FCEDIT", "MAILPATH",
    // Interpreters.
    "PERL*", "PYTHON*", "RUBY*", "GEM_*", "BUNDLE_*", "NODE_*", "NPM_*", "npm_*", "DENO_*", "BUN_*", "LUA_*",
    "LUAJIT_*", "PHP*", "JAVA_*", "_JAVA_*", "JDK_*", "CLASSPATH", "JVM_*", "DOTNET_*", "COMPlus_*", "CORECLR_*",
    "MONO_*",
    "R_*", "RSCRIPT_*", "TCL*", "TK_*", "GUILE_*", "JULIA_*", "ERL_*", "ELIXIR_*", "OCAML*", "CAML*", "GHC*", "SBCL_*",
    "AWKPATH", "AWKLIBPATH", "GAWK*", "SCHEME*", "VIRTUAL_ENV", "CONDA_*", "PIP_*", "UV_*", "GROOVY_*", "SCALA_*",
    // Tools that run tools.
    "GIT_*", "SSH_*", "SVN_*", "CVS_*", "HG*", "RSYNC_*", "TAR_*", "TAPE", "RSH", "GZIP", "BZIP", "BZIP2", "XZ_*",
    "ZSTD_*", "MAKE*", "MFLAGS", "GNUMAKE*", "CMAKE_*", "CC", "CXX", "CPP", "LD", "AR", "AS", "GCC_*", "COMPILER_PATH",
    "CPATH", "CARGO_*", "RUST*", "GO*", "MAVEN_*", "GRADLE_*", "ANT_*", "SUDO_*", "GPG*", "GNUPG*", "OPENSSL_*",
    "SSL_*", "SSLKEYLOGFILE", "CURL_*", "WGETRC", "DOCKER_*", "PODMAN_*", "KUBE*", "HELM_*", "ANSIBLE_*", "TF_*",
    "AWS_*",
    "LESS*", "MORE", "MAN*", "PSQL*", "PGSYSCONFDIR", "PGSERVICEFILE", "MYSQL_HOME", "LIBMYSQL_*", "ODBC*", "EMACS*",
    "VIM*", "VIMINIT", "EXINIT", "LYNX_*", "BROWSER", "EDITOR", "VISUAL", "PAGER", "GREP_*", "FIND_*", "LS_*", "TZ_*",
    "GTK*", "GIO_*", "GDK_*", "QT_*", "QML*", "DBUS_*", "SYSTEMD_*", "NOTIFY_SOCKET", "FAKEROOT*", "FAKECHROOT*",
    // What names of this kind end in.
    "*PATH", "*OPT", "*OPTS", "*OPTIONS", "*FLAGS", "*LIB", "*LIBS", "*RC", "*STARTUP", "*PAGER", "*EDITOR", "*ASKPASS",
    "*SHELL", "*COMMAND", "*_CMD", "*_EXEC", "*_HOME", "*_MODULES", "*_PLUGIN", "*_PLUGINS", "*_WRAPPER", "*_LAUNCHER",
    "*_INIT", "*_HOOK", "*_HOOKS", "*_CONFIG", "*_CONF", "*_PROXY", "*_proxy",
  ]
  private static let compiled = patterns.map { Array($0.utf8) }

  /// Whether setting `name` to `value` may make one program into another. A value that begins like a function is one
  /// for old shells, whatever its name.
  package static func decide(_ name: [UInt8], _ value: [UInt8]) -> Bool {
    value.starts(with: "()".utf8) || compiled.contains { Grants.matches(name, pattern: $0) }
  }
}
