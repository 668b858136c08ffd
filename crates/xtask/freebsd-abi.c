/* What crates/sys/src/freebsd says of FreeBSD's structures and constants, held against FreeBSD's own headers: it compiles or not. */
#include <sys/param.h>
#include <sys/ioccom.h>
#include <sys/jail.h>
#include <sys/mount.h>
#include <sys/signal.h>
#include <sys/sysctl.h>
#include <fs/devfs/devfs.h>
#include <login_cap.h>
#include <stddef.h>

#define HOLDS(what) _Static_assert(what, #what)

/* devfs.rs */
HOLDS(sizeof(struct devfs_rule) == 236);
HOLDS(offsetof(struct devfs_rule, dr_id) == 4);
HOLDS(offsetof(struct devfs_rule, dr_icond) == 8);
HOLDS(offsetof(struct devfs_rule, dr_pathptrn) == 16);
HOLDS(offsetof(struct devfs_rule, dr_iacts) == 216);
HOLDS(offsetof(struct devfs_rule, dr_bacts) == 220);
HOLDS(offsetof(struct devfs_rule, dr_mode) == 232);
HOLDS(offsetof(struct devfs_rule, dr_incset) == 234);
HOLDS(DEVFS_MAGIC == 0xdb0a087a && DEVFS_MAXPTRNLEN == 200);
HOLDS(DRC_PATHPTRN == 2 && DRA_BACTS == 1 && DRB_HIDE == 1 && DRB_UNHIDE == 2);
HOLDS(DEVFSIO_RADD == (0xc0000000UL | 236UL << 16 | 'D' << 8 | 0));
HOLDS(DEVFSIO_RDEL == (0x80000000UL | 4UL << 16 | 'D' << 8 | 1));
HOLDS(DEVFSIO_RGETNEXT == (0xc0000000UL | 236UL << 16 | 'D' << 8 | 4));
HOLDS(DEVFSIO_SGETNEXT == (0xc0000000UL | 2UL << 16 | 'D' << 8 | 12));

/* mount.rs */
HOLDS(MNT_RDONLY == 1 && MNT_NOEXEC == 4 && MNT_NOSUID == 8 && MNT_UPDATE == 0x10000);
HOLDS(MNT_FORCE == 0x80000 && MNT_BYFSID == 0x8000000 && MNT_NOWAIT == 2);
HOLDS(sizeof(fsid_t) == 8 && MNAMELEN == 1024);
HOLDS(offsetof(struct statfs, f_fstypename) == 280);
HOLDS(offsetof(struct statfs, f_mntfromname) == 296);
HOLDS(offsetof(struct statfs, f_mntonname) == 1320);
HOLDS(sizeof(struct statfs) == 2344);

/* jail.rs */
HOLDS(JAIL_CREATE == 1 && JAIL_UPDATE == 2 && JAIL_ATTACH == 4 && JAIL_DYING == 8);
HOLDS(JAIL_SYS_DISABLE == 0 && JAIL_SYS_NEW == 1 && JAIL_SYS_INHERIT == 2);

/* login.rs */
HOLDS(LOGIN_SETPRIORITY == 0x8 && LOGIN_SETRESOURCES == 0x10 && LOGIN_SETMAC == 0x100);
HOLDS(LOGIN_SETCPUMASK == 0x200 && LOGIN_SETLOGINCLASS == 0x400);

/* signal.rs */
HOLDS(SI_USER == 0x10001 && SI_QUEUE == 0x10002);
HOLDS(SIGHUP == 1 && SIGWINCH == 28 && SIGINFO == 29 && SIGUSR1 == 30 && SIGUSR2 == 31);

/* sysctl.rs */
HOLDS(CTLTYPE == 0xf && CTLTYPE_NODE == 1 && CTLTYPE_INT == 2 && CTLTYPE_STRING == 3);
HOLDS(CTLTYPE_OPAQUE == 5 && CTLTYPE_UINT == 6);
