#!/bin/bash
# cross.sh DIR: makes in DIR what builds Rust for x86_64-unknown-freebsd and, static, for x86_64-unknown-linux-musl, from
# Debian's packages and PyPI only. `cargo xtask` calls it (crates/xtask/src/cross.rs), and knows what it leaves:
#   DIR/sysroot                 the standard library for both, laid out as rustup would
#   DIR/bin/freebsd-{cc,ar}     zig as the C compiler, linker and archiver for FreeBSD
#   DIR/bin/musl-cc             zig as the linker for Linux with musl, which it carries
#   DIR/bin/{rustc,cargo}       only where the installed rustc's own sources are not to be had: Debian's newest
# Needs apt with a Debian mirror, python3 with venv, cc.
#   FBSD=13.2      the oldest FreeBSD that the programs are to run on
#   WAY=src|web    src: rust-src of exactly the installed rustc's version; web: a whole toolchain of Debian's, which comes
#                  with its sources. Unset: src, and web on the day that the mirror has rust-src of that version no more.
#   STDTAR=FILE    a tar archive that holds library/, in place of Debian's rust-src
set -euo pipefail
dir=$(realpath -m "$1")
ZIG=${ZIG:-0.17.1}
FBSD=${FBSD:-13.2}
targets=(x86_64-unknown-freebsd x86_64-unknown-linux-musl)
mkdir -p "$dir"/{apt/lists/partial,apt/cache/archives/partial,bin,dl,std}
cd "$dir"

step() { printf '[%3ds] %s\n' "$SECONDS" "$*"; }
die() { printf 'cross: %s\n' "$*" >&2; exit 1; }

# A private apt state, with the mirror that this machine already uses: its own sources and lists stay as they are.
# shellcheck disable=SC2016
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m1 '/debian/$') ||
  die "apt knows no Debian mirror here: name the sources of rustc $(rustc --version | cut -d' ' -f2) by STDTAR=FILE"
keys=/usr/share/keyrings/debian-archive-keyring.gpg
apt_with() {  # SOURCES: from now on these are the sources
  printf '%s\n' "$@" > apt/sources.list
  apt=(-qq -o "Dir::State::Lists=$dir/apt/lists" -o "Dir::Etc::SourceList=$dir/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null
    -o "Dir::Cache=$dir/apt/cache" -o Acquire::Languages=none -o Acquire::Retries=3 -o APT::Sandbox::User=root -o Debug::NoLocking=1
    -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false)
  apt-get "${apt[@]}" update
}

# Each way sets RUSTC and CARGO and leaves the sources of the standard library in std/library.
unpack_sources() { dpkg-deb --fsys-tarfile "$1" | tar -x -C std --strip-components=4 --wildcards './usr/src/*/library'; }

sources_of_installed_rustc() {
  local version packaged
  RUSTC=rustc CARGO=cargo
  version=$(rustc --version | cut -d' ' -f2)
  apt_with "deb [signed-by=$keys] $mirror trixie-backports main"
  packaged=$(apt-cache "${apt[@]}" madison rust-src | awk '{print $3}' | grep -m1 -F "$version+") || return 1
  (cd dl && apt-get "${apt[@]}" download "rust-src=$packaged")
  unpack_sources dl/rust-src_*.deb
}

whole_toolchain() {
  local deb tool
  apt_with "deb [signed-by=$keys] $mirror bookworm main" \
    "deb [signed-by=$keys] ${mirror%debian/}debian-security bookworm-security main"
  apt-get "${apt[@]}" -y -d --no-install-recommends install rustc-web cargo-web rust-web-src >/dev/null
  rm -rf web && mkdir web
  for deb in apt/cache/archives/*.deb; do
    case $deb in */rust-web-src*) unpack_sources "$deb" ;; *) dpkg-deb -x "$deb" web ;; esac
  done
  for tool in rustc cargo rustdoc; do
    # The library path leads to the LLVM, compiler and git libraries that were unpacked beside it.
    cat > bin/$tool <<SH
#!/bin/sh
LD_LIBRARY_PATH=$dir/web/usr/lib/x86_64-linux-gnu:$(echo "$dir"/web/usr/lib/llvm-*/lib) exec $dir/web/usr/bin/$tool "\$@"
SH
    chmod +x bin/$tool
  done
  RUSTC=$dir/bin/rustc CARGO=$dir/bin/cargo
  export RUSTC
}

if [ -n "${STDTAR:-}" ]; then
  RUSTC=rustc CARGO=cargo
  tar -xf "$STDTAR" -C std
elif [ "${WAY:-src}" = src ] && sources_of_installed_rustc; then
  :
elif [ "${WAY:-web}" = web ]; then
  [ -n "${WAY:-}" ] || echo "The mirror has no sources of $(rustc --version) (any more): taking Debian's newest toolchain whole, without clippy."
  whole_toolchain
else
  die "the mirror has no sources of $(rustc --version) (any more): unset WAY, or use WAY=web"
fi
step "$($RUSTC --version) and the sources of its standard library"

# The standard library is built once and laid out as `rustup target add` would. panic_abort alone must be built with the
# strategy that it is named for, as rustc's own bootstrap does it.
mkdir -p seed/src
echo '#![no_std]' > seed/src/lib.rs
printf '[package]\nname = "seed"\nversion = "0.0.0"\nedition = "2021"\n[workspace]\n' > seed/Cargo.toml
cat > bin/wrap <<'SH'
#!/bin/bash
rustc=$1; shift
[[ " $* " = *" --crate-name panic_abort "* ]] && set -- "$@" -Cpanic=abort
exec "$rustc" "$@"
SH
chmod +x bin/wrap
(
  cd seed
  # Lint caps and flags meant for thinjail are not meant for std.
  unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS
  RUSTC_WRAPPER=$dir/bin/wrap RUSTC_BOOTSTRAP=1 __CARGO_TESTS_ONLY_SRC_ROOT=$dir/std/library \
    RUSTFLAGS="-Cembed-bitcode=yes --remap-path-prefix=$dir/std/library=/rustc/library" \
    "$CARGO" build -q --release "${targets[@]/#/--target=}" --target-dir target -Zbuild-std=std,test,panic_abort,panic_unwind
)
rm -rf sysroot
for target in "${targets[@]}"; do
  libs=sysroot/lib/rustlib/$target/lib
  mkdir -p "$libs"
  cp seed/target/"$target"/release/deps/*.rlib "$libs"
  rm -f "$libs"/libseed-*
  step "standard library for $target: $(find "$libs" -name '*.rlib' | wc -l) crates, $(du -sh "$libs" | cut -f1)"
done

# zig carries musl and libunwind; of FreeBSD the headers, 14's start files and stubs of libc for each version.
[ -x venv/bin/python ] || python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install --no-deps "ziglang==$ZIG"
# 14's crt1.o calls __libc_start1, which libc has since 14.0 (FBSD_1.7): for 13, the program brings its own.
cat > start13.c <<'C'
extern char **environ;
extern const char *__progname;
int atexit(void (*)(void));
_Noreturn void exit(int);
__attribute__((visibility("hidden"))) void __libc_start1(int argc, char **argv, char **env, void (*cleanup)(void),
                                                         int (*main)(int, char **, char **)) {
  if (!environ) environ = env;
  if (argc > 0 && argv[0]) {
    __progname = argv[0];
    for (const char *s = argv[0]; *s; s++)
      if (*s == '/') __progname = s + 1;
  }
  if (cleanup) atexit(cleanup); /* a dynamic program: rtld has run the initialisers by now */
  exit(main(argc, argv, env));
}
C
cache="export ZIG_GLOBAL_CACHE_DIR=\${ZIG_GLOBAL_CACHE_DIR:-$dir/zigcache} ZIG_LOCAL_CACHE_DIR=\${ZIG_LOCAL_CACHE_DIR:-$dir/zigcache}"
cat > bin/freebsd-cc <<SH
#!/bin/bash
$cache
args=() start=$dir/start13.o
for arg; do
  case \$arg in
    # zig has no stubs of these libraries, which the libc crate names for every program and --as-needed drops again.
    -lkvm|-lmemstat|-lprocstat|-ldevstat) continue ;;
    -m64|-Wl,-O1|--target=*) continue ;;
    -c|-S|-E|-M|-MM|-shared|-r|--version|-v|-dumpmachine|-print*) start= ;;
  esac
  args+=("\$arg")
done
[ -f "\$start" ] || start=
exec $dir/venv/bin/python -m ziglang cc -target x86_64-freebsd.$FBSD-none -fno-sanitize=undefined "\${args[@]}" \$start
SH
printf '#!/bin/sh\nexec %s/venv/bin/python -m ziglang ar "$@"\n' "$dir" > bin/freebsd-ar
# A program only: start files and libc are zig's, and rustc's own, which rustup brings, are told to stay away (cross.rs).
cat > bin/musl-cc <<SH
#!/bin/bash
$cache
args=()
for arg; do
  case \$arg in
    -m64|-Wl,-O1|--target=*) continue ;;
  esac
  args+=("\$arg")
done
exec $dir/venv/bin/python -m ziglang cc -target x86_64-linux-musl "\${args[@]}"
SH
chmod +x bin/freebsd-cc bin/freebsd-ar bin/musl-cc
rm -f start13.o
case $FBSD in 13.*) bin/freebsd-cc -O2 -fPIC -c start13.c -o start13.o ;; esac
step "zig $(venv/bin/python -m ziglang version)"

# What is left is what builds: the sources and packages can be had again.
rm -rf apt dl std seed start13.c
