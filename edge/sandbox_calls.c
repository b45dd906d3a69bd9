/*
 * The two lists of system calls, for libseccomp. The worker's is long, because OpenSSL, ldns, the
 * C library's threads and the start of postern-sts-fetch need what they need; it still has no place
 * for the parts of the kernel that intruders look for. The keeper's has no network,
 * but for the address family of the server that it asks about clients, if that is what it does.
 *
 * clone3(2) hides its flags from a filter, so it "does not exist", and the C library takes
 * clone(2), of which new namespaces are not allowed. Libraries for other architectures are not used
 * here: a call by another ABI ends the process.
 */
#include "sandbox.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Of both: memory, threads that wait, time, ends, reading files, the log. */
static const char *const common[] = {
	"access", "brk", "clock_getres", "clock_gettime", "clock_nanosleep", "close", "connect",
	"dup", "epoll_wait", "exit", "exit_group", "faccessat", "faccessat2", "fcntl", "fstat",
	"fstatfs", "futex", "getegid", "geteuid", "getgid", "getpid", "getppid", "getrandom",
	"gettid", "gettimeofday", "getuid", "lseek", "lstat", "madvise", "mlock", "mmap",
	"mprotect", "mremap", "munlock", "munmap", "nanosleep", "newfstatat", "open", "openat",
	"poll", "ppoll", "prctl", "pread64", "read", "readlink", "readlinkat", "readv", "recvfrom",
	"recvmsg", "restart_syscall", "rseq", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn",
	"sched_yield", "sendmsg", "sendto", "set_robust_list", "sigaltstack", "stat", "statx",
	"sysinfo", "tgkill", "time", "write", "writev",
};

static const char *const of_the_worker[] = {
	/* files: its state, and those that were opened for it */
	"close_range", "dup2", "dup3", "fadvise64", "fallocate", "fchmod", "fdatasync", "flock",
	"fsync", "ftruncate", "getcwd", "getdents", "getdents64", "mkdir", "mkdirat", "pipe",
	"pipe2", "pwrite64", "rename", "renameat", "renameat2", "rmdir", "statfs", "umask",
	"unlink", "unlinkat",
	/* connections; listening is over */
	"accept4", "bind", "epoll_create1", "epoll_ctl", "epoll_pwait", "eventfd2", "getpeername",
	"getsockname", "getsockopt", "pselect6", "recvmmsg", "select", "sendmmsg", "setsockopt",
	"shutdown", "signalfd4", "socketpair",
	/* threads and the child that fetches MTA-STS policies */
	"arch_prctl", "execve", "fork", "get_robust_list", "getpgrp", "getresgid", "getresuid",
	"getrlimit", "getrusage", "kill", "landlock_add_rule", "landlock_create_ruleset",
	"landlock_restrict_self", "membarrier", "mlock2", "pidfd_open", "prlimit64",
	"rt_sigpending", "rt_sigsuspend", "rt_sigtimedwait", "sched_getaffinity", "sched_getparam",
	"sched_getscheduler", "set_tid_address", "times", "uname", "vfork", "wait4", "waitid",
};

/* Of the keeper, where it asks a server: connecting with a limit of time. */
static const char *const of_a_client[] = { "getsockopt", "setsockopt" };

/* Not one of them has a use in mail: whoever makes it is not us. */
static const char *const of_intruders[] = {
	"acct", "add_key", "bpf", "chroot", "clock_adjtime", "clock_settime", "delete_module",
	"finit_module", "fsconfig", "fsmount", "fsopen", "fspick", "init_module", "io_uring_enter",
	"io_uring_register", "io_uring_setup", "ioperm", "iopl", "kcmp", "kexec_file_load",
	"kexec_load", "keyctl", "mount", "mount_setattr", "move_mount", "open_by_handle_at",
	"open_tree", "perf_event_open", "pidfd_getfd", "pivot_root", "process_madvise",
	"process_vm_readv", "process_vm_writev", "ptrace", "quotactl", "reboot", "request_key",
	"setns", "settimeofday", "swapoff", "swapon", "syslog", "umount2", "unshare",
	"userfaultfd", "vhangup",
};

static const unsigned worker_families[] = { AF_UNIX, AF_INET, AF_INET6, AF_NETLINK };
static const unsigned long worker_ioctls[] = { TCGETS, FIONBIO, FIONREAD, SIOCGIFNAME,
					       SIOCGIFINDEX };
static const unsigned namespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
				   CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A name that libseccomp does not know is a mistake here; one that this machine does not have is
 * none. */
static int add_all(scmp_filter_ctx filter, uint32_t action, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int call = seccomp_syscall_resolve_name(names[i]);

		if (call == __NR_SCMP_ERROR || seccomp_rule_add(filter, action, call, 0) != 0)
			return -1;
	}
	return 0;
}

/* TCP: SOCK_CLOEXEC and SOCK_NONBLOCK aside, of the family that the address has. */
static int add_tcp(scmp_filter_ctx filter, const char *address)
{
	const unsigned family = strchr(address, ':') != NULL ? AF_INET6 : AF_INET;

	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2,
				SCMP_A0(SCMP_CMP_EQ, family, 0),
				SCMP_A1(SCMP_CMP_MASKED_EQ, 0xf, SOCK_STREAM));
}

static int add_keeper(scmp_filter_ctx filter, const struct endpoint *server)
{
	if (seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
			     SCMP_A0(SCMP_CMP_EQ, AF_UNIX, 0)) != 0)
		return -1;
	if (server == NULL)
		return 0;
	if (add_all(filter, SCMP_ACT_ALLOW, of_a_client, COUNT(of_a_client)) != 0)
		return -1;
	return server->is_unix ? 0 : add_tcp(filter, server->host);
}

static int add_worker(scmp_filter_ctx filter)
{
	for (size_t i = 0; i < COUNT(worker_families); i++)
		if (seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
				     SCMP_A0(SCMP_CMP_EQ, worker_families[i], 0)) != 0)
			return -1;
	for (size_t i = 0; i < COUNT(worker_ioctls); i++)
		if (seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
				     SCMP_A1(SCMP_CMP_EQ, worker_ioctls[i], 0)) != 0)
			return -1;
	if (seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
			     SCMP_A0(SCMP_CMP_MASKED_EQ, namespaces, 0)) != 0)
		return -1;
	return add_all(filter, SCMP_ACT_ALLOW, of_the_worker, COUNT(of_the_worker));
}

bool sandbox_calls_are_available(void)
{
	const uint32_t action = SECCOMP_RET_KILL_PROCESS;

	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

int sandbox_calls_restrict(enum sandbox_process process, const struct endpoint *server)
{
	scmp_filter_ctx filter;
	int result = -1;

	if (!sandbox_calls_are_available())
		return 0;
	errno = EINVAL;
	filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	if (filter == NULL)
		return -1;
	if (seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) == 0 &&
	    add_all(filter, SCMP_ACT_ALLOW, common, COUNT(common)) == 0 &&
	    add_all(filter, SCMP_ACT_KILL_PROCESS, of_intruders, COUNT(of_intruders)) == 0 &&
	    (process == SANDBOX_KEEPER ? add_keeper(filter, server) : add_worker(filter)) == 0) {
		result = seccomp_load(filter);
		if (result < 0)
			errno = -result;
	}
	seccomp_release(filter);
	return result < 0 ? -1 : 0;
}
