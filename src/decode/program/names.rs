//! Names of message types, by their numbers. Consul's `agent/structs/structs.go`, Nomad's
//! `nomad/structs/structs.go`, Vault's and OpenBao's `types.proto`. Gaps are types of enterprise
//! builds, which nobody outside knows.

/// Consul's, from 0 on.
#[rustfmt::skip]
const CONSUL: [&str; 44] = [
    "Register", "Deregister", "KVS", "Session", "ACL", "Tombstone", "CoordinateBatchUpdate",
    "PreparedQuery", "Txn", "Autopilot", "Area", "ACLBootstrap", "Intention", "ConnectCA",
    "ConnectCAProviderState", "ConnectCAConfig", "Index", "ACLTokenSet", "ACLTokenDelete",
    "ACLPolicySet", "ACLPolicyDelete", "ConnectCALeaf", "ConfigEntry", "ACLRoleSet",
    "ACLRoleDelete", "ACLBindingRuleSet", "ACLBindingRuleDelete", "ACLAuthMethodSet",
    "ACLAuthMethodDelete", "ChunkingState", "FederationState", "SystemMetadata",
    "ServiceVirtualIP", "FreeVirtualIP", "KindServiceNames", "PeeringWrite", "PeeringDelete",
    "PeeringTerminateByID", "PeeringTrustBundleWrite", "PeeringTrustBundleDelete",
    "PeeringSecretsWrite", "RaftLogVerifierCheckpoint", "ResourceOperation", "UpdateVirtualIP",
];

/// Nomad's, from 0 on; no name is a gap.
#[rustfmt::skip]
const NOMAD: [&str; 78] = [
    "NodeRegister", "NodeDeregister", "NodeUpdateStatus", "NodeUpdateDrain", "JobRegister",
    "JobDeregister", "EvalUpdate", "EvalDelete", "AllocUpdate", "AllocClientUpdate",
    "ReconcileJobSummaries", "VaultAccessorRegister", "VaultAccessorDeregister",
    "ApplyPlanResults", "DeploymentStatusUpdate", "DeploymentPromote", "DeploymentAllocHealth",
    "DeploymentDelete", "JobStability", "ACLPolicyUpsert", "ACLPolicyDelete", "ACLTokenUpsert",
    "ACLTokenDelete", "ACLTokenBootstrap", "Autopilot", "UpsertNodeEvents",
    "JobBatchDeregister", "AllocUpdateDesiredTransition", "NodeUpdateEligibility",
    "BatchNodeUpdateDrain", "SchedulerConfig", "NodeBatchDeregister", "ClusterMetadata",
    "ServiceIdentityAccessorRegister", "ServiceIdentityAccessorDeregister", "CSIVolumeRegister",
    "CSIVolumeDeregister", "CSIVolumeClaim", "ScalingEventRegister", "CSIVolumeClaimBatch",
    "CSIPluginDelete", "EventSinkUpsert", "EventSinkDelete", "BatchEventSinkUpdateProgress",
    "OneTimeTokenUpsert", "OneTimeTokenDelete", "OneTimeTokenExpire",
    "ServiceRegistrationUpsert", "ServiceRegistrationDeleteByID",
    "ServiceRegistrationDeleteByNodeID", "VarApplyState", "RootKeyMetaUpsert",
    "WrappedRootKeysDelete", "ACLRolesUpsert", "ACLRolesDeleteByID", "ACLAuthMethodsUpsert",
    "ACLAuthMethodsDelete", "ACLBindingRulesUpsert", "ACLBindingRulesDelete", "NodePoolUpsert",
    "NodePoolDelete", "JobVersionTag", "WrappedRootKeysUpsert", "", "NamespaceUpsert",
    "NamespaceDelete", "", "", "", "", "", "", "", "", "", "HostVolumeRegister",
    "HostVolumeDelete", "TaskGroupHostVolumeClaimDelete",
];

/// The last of Nomad's, apart from the others.
const NOMAD_INITIALIZATION: u8 = 127;

fn named(names: &[&'static str], kind: u8) -> Option<&'static str> {
    names.get(usize::from(kind)).copied().filter(|name| !name.is_empty())
}

/// The name of a message type of Consul's.
pub(super) fn consul(kind: u8) -> Option<&'static str> {
    named(&CONSUL, kind)
}

/// The name of a message type of Nomad's.
pub(super) fn nomad(kind: u8) -> Option<&'static str> {
    match kind {
        NOMAD_INITIALIZATION => Some("SystemInitialization"),
        kind => named(&NOMAD, kind),
    }
}

/// The name of an operation that Vault and OpenBao share.
fn shared(kind: u64) -> Option<&'static str> {
    Some(match kind {
        1 => "delete",
        2 => "put",
        4 => "restore-callback",
        8 => "get",
        _ => return None,
    })
}

/// The name of an operation of Vault's.
pub(super) fn vault(kind: u64) -> Option<&'static str> {
    match kind {
        16 => Some("verifier-checkpoint"),
        kind => shared(kind),
    }
}

/// The name of an operation of OpenBao's.
pub(super) fn openbao(kind: u64) -> Option<&'static str> {
    match kind {
        16 => Some("verify-read"),
        32 => Some("verify-list"),
        64 => Some("begin-transaction"),
        128 => Some("commit-transaction"),
        kind => shared(kind),
    }
}
